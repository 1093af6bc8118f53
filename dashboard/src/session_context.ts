// Who has logged in, for every view.

import { createContext, useContext } from 'react';
import type { Hub } from './hub';
import type { Claims } from './session';

export interface Session {
  hub: Hub;
  claims: Claims;
  /** Whose data is shown; `null` where an operator has chosen nobody yet. */
  tenant: string | null;
  /** Of an operator: shows another one's. */
  choose: (tenant: string) => void;
  /** Goes back to the login, and says why. */
  end: (why: string | null) => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('a view is shown without a session');
  return session;
}
