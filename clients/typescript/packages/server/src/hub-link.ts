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
