import type { AdminClient } from './admin-client.js';
import type { HubAccess } from './hub-access.js';
import { HubError } from './hub-error.js';
import type { HubView } from './hub-view.js';
import type { Logger } from './logger.js';

/** How the parts of a `WebSocketServer` get at its hub, which is there while the server runs. */
export interface HubLink {
  readonly logger: Logger;
  /** The tenant of calls that name none. */
  readonly tenantId: string;
  /** What tokens are signed with; absent before the start. */
  readonly secret: string | undefined;
  readonly running: { access: HubAccess; view: HubView } | undefined;
}

/** @throws HubError `unsupported` for a part that stands alone. */
export function linkOf(link: HubLink | undefined, part: string): HubLink {
  if (link) return link;
  throw new HubError('unsupported', `this ${part} belongs to no WebSocketServer: take the one that the server gives`);
}

/** @throws HubError `closed` while the server does not run. */
export function runningOf(link: HubLink | undefined, part: string): NonNullable<HubLink['running']> {
  const { running } = linkOf(link, part);
  if (running) return running;
  throw new HubError('closed', 'the server is not started');
}

/**
 * Does something with a connection of a tenant that is followed, as that tenant's back end.
 *
 * @throws HubError `not_found` where none of them has it.
 */
export async function withConnection<T>(
  { view, access }: NonNullable<HubLink['running']>, socketId: string, act: (admin: AdminClient) => Promise<T>,
): Promise<T> {
  const tenantId = view.find(socketId)?.tenantId;
  if (tenantId !== undefined) return act(access.admin(tenantId));
  // It may have connected since the view was read.
  for (const tenant of view.followed) {
    try {
      return await act(access.admin(tenant));
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== 'not_found') throw error;
    }
  }
  throw new HubError('not_found', `no tenant that is followed has a connection ${socketId}`);
}
