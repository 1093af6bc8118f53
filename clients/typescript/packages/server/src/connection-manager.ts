import type { ApplicationType } from '@foodtrack/websocket-contract';

import type { ConnectionInfo, Disconnected } from './admin-types.js';
import { HubError, unsupported } from './hub-error.js';
import { type HubLink, linkOf, runningOf, withConnection } from './hub-link.js';
import { logged } from './logger.js';
import type { AuthResult, AuthenticatedUser, Connection, HeartbeatConfig, SocketLike } from './surface.js';
import { verifyToken } from './tokens.js';

/**
 * The hub's connections. The hub itself accepts, authenticates and pings them: there is no socket in this process. Methods that
 * return at once answer from a view that is read anew every second (`viewIntervalMs`), plus a tenth of a second for every
 * thousand connections of the tenant. A tenant is followed from the first question about it, which is answered with nothing,
 * unless it is in the server's option `tenants` or was followed before: `followTenant`. What could not be read for five seconds
 * is answered with nothing, too.
 */
export interface ConnectionManager {
  /**
   * Verifies a token as the hub does, with the server's secret. The socket is not looked at: the hub authenticates a connection
   * itself, by the token of its handshake.
   */
  authenticateConnection(socket: SocketLike, token: string): Promise<AuthResult>;
  /**
   * The hub registers its connections itself: this says whether it did.
   *
   * @throws HubError `unsupported` where the view has no such connection of this user: a socket of another server cannot be registered.
   */
  registerConnection(socket: SocketLike, user: AuthenticatedUser): void;
  /**
   * Ends a connection of a tenant that is followed; its client does not come back by itself. A failure is logged, and rejects
   * for who awaits it.
   */
  removeConnection(socketId: string): Promise<void>;
  /** The tenant's connections but for those of back ends, which have no application. */
  getConnectionsByTenant(tenantId: string): Connection[];
  getConnectionsByApplication(applicationType: ApplicationType, tenantId: string): Connection[];
  /**
   * The hub pings every connection by itself, as the configuration's `heartbeat` says: this says whether it does.
   *
   * @throws HubError `unsupported` where the view has no such connection.
   */
  startHeartbeat(socket: SocketLike): void;
  /**
   * Nothing where the connection is gone, and its heartbeat with it.
   *
   * @throws HubError `unsupported` for a connection that is there: the hub's heartbeat cannot be stopped.
   */
  stopHeartbeat(socketId: string): void;
  /** Whether it is a connection of a tenant that is followed. */
  isConnectionActive(socketId: string): boolean;
  /** Of a tenant, those of back ends among them; of all tenants where none is named. */
  getConnectionCount(tenantId?: string): number;
  /** Resolves once the tenant's connections have been read; they are kept current for a minute after the last question. */
  followTenant(tenantId: string): Promise<void>;
}

const PART = 'ConnectionManager';

/** @throws HubError where nobody knows whether the connection was ended. */
function ended({ disconnected, missingNodes }: Disconnected, socketId: string): void {
  if (disconnected > 0 || !missingNodes) return;
  throw new HubError('timeout', `whether ${socketId} was removed is not known: nodes ${missingNodes.join(', ')} did not answer`);
}

class HubConnectionManager implements ConnectionManager {
  constructor(readonly heartbeat: HeartbeatConfig, private readonly link?: HubLink) {}

  async authenticateConnection(_socket: SocketLike, token: string): Promise<AuthResult> {
    const { secret } = linkOf(this.link, PART);
    if (secret === undefined) return { success: false, error: 'the server is not started' };
    try {
      return { success: true, user: verifyToken(token, secret) };
    } catch (error) {
      return { success: false, error: (error as Error).message };
    }
  }

  registerConnection(socket: SocketLike, user: AuthenticatedUser): void {
    const found = this.#find(socket.id);
    if (found?.tenantId === user.tenantId && found.connection.user === user.userId) return;
    const whose = `${socket.id} of ${user.userId}`;
    throw unsupported(`the hub has no connection ${whose}: it registers its connections itself, and no others`);
  }

  removeConnection(socketId: string): Promise<void> {
    return logged(this.#remove(socketId), linkOf(this.link, PART).logger, `connection ${socketId} was not removed`);
  }

  getConnectionsByTenant(tenantId: string): Connection[] {
    const view = linkOf(this.link, PART).running?.view;
    return (view?.connections(tenantId) ?? []).flatMap((one) => connectionOf(tenantId, one) ?? []);
  }

  getConnectionsByApplication(applicationType: ApplicationType, tenantId: string): Connection[] {
    return this.getConnectionsByTenant(tenantId).filter((one) => one.applicationType === applicationType);
  }

  startHeartbeat(socket: SocketLike): void {
    if (this.isConnectionActive(socket.id)) return;
    throw unsupported(`the hub has no connection ${socket.id}: it pings its own connections, and no others`);
  }

  stopHeartbeat(socketId: string): void {
    if (!this.isConnectionActive(socketId)) return;
    throw unsupported(`the hub pings ${socketId} as long as it is connected; removeConnection ends both`);
  }

  isConnectionActive(socketId: string): boolean {
    return this.#find(socketId) !== undefined;
  }

  getConnectionCount(tenantId?: string): number {
    return linkOf(this.link, PART).running?.view.count(tenantId) ?? 0;
  }

  async followTenant(tenantId: string): Promise<void> {
    await runningOf(this.link, PART).view.follow(tenantId);
  }

  #find(socketId: string) {
    return linkOf(this.link, PART).running?.view.find(socketId);
  }

  async #remove(socketId: string): Promise<void> {
    const removed = withConnection(runningOf(this.link, PART), socketId, (admin) => admin.disconnectConnection(socketId));
    ended(await removed, socketId);
  }
}

function connectionOf(tenantId: string, info: ConnectionInfo): Connection | undefined {
  if (!info.application) return undefined;
  return {
    socketId: info.id,
    userId: info.user,
    tenantId,
    applicationType: info.application,
    connectedAt: new Date(info.connectedAt),
    lastHeartbeat: new Date(info.lastHeartbeatAt),
    isActive: true,
    metadata: { userAgent: info.userAgent ?? '', ipAddress: ipOf(info.address), version: info.version ?? '', features: info.features },
  };
}

/** Without the port that may follow it. */
const ipOf = (address: string): string => /^\[(.+)\](?::\d+)?$/.exec(address)?.[1] ?? /^([^:]+):\d+$/.exec(address)?.[1] ?? address;

/** Without `link`, which a `WebSocketServer` gives to its own, there is no hub to ask, and every method says so. */
export const ConnectionManager: new (heartbeat: HeartbeatConfig, link?: HubLink) => ConnectionManager = HubConnectionManager;
