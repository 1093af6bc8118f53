import { useCallback, useMemo, useState } from 'react';
import { Hub } from './hub';
import { Login } from './login';
import { type Claims, OPERATOR, forgetToken, keepToken, keptToken, readClaims } from './session';
import { SessionContext } from './session_context';
import { Shell } from './shell';

interface Opened {
  token: string;
  claims: Claims;
  tenant: string | null;
}

function opened(token: string, claims: Claims): Opened {
  return { token, claims, tenant: claims.tenant };
}

function kept(): Opened | null {
  const token = keptToken();
  return token === null ? null : opened(token, readClaims(token) ?? OPERATOR);
}

/** The login, or what it opens. */
export function App() {
  const [session, setSession] = useState<Opened | null>(kept);
  const [why, setWhy] = useState<string | null>(null);
  const end = useCallback((reason: string | null) => {
    forgetToken();
    setWhy(reason);
    setSession(null);
  }, []);
  const open = useCallback((token: string, claims: Claims) => {
    keepToken(token);
    setWhy(null);
    setSession(opened(token, claims));
  }, []);
  const choose = useCallback((tenant: string) => setSession((before) => before && { ...before, tenant }), []);
  const value = useMemo(() => {
    if (!session) return null;
    const { token, claims, tenant } = session;
    // Only an operator says whose data is meant.
    const hub = new Hub(token, claims.tenant === null ? tenant : null);
    return { hub, claims, tenant, choose, end };
  }, [session, choose, end]);
  if (!value) return <Login why={why} open={open} />;
  return <SessionContext value={value}><Shell /></SessionContext>;
}
