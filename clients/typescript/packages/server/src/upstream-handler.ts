import type { ApplicationType, Permission, RoomType, UserRole } from '@foodtrack/websocket-contract';

import type { PublishableMessage } from './publisher.js';
import { type HandlerOptions, type HttpAnswer, type HubRequestHandler, hubRequestHandler } from './http-handler.js';

/** What a client asks through the hub. */
export interface UpstreamRequest {
  /** The event's name, such as `kitchen:get_orders`. */
  event: string;
  /** Its argument, as the client sent it: nobody has checked it. */
  payload: unknown;
  /** Who asks, by the token that the hub has verified. Decide by this, never by fields of `payload`. */
  tenantId: string;
  userId: string;
  role: UserRole;
  permissions: readonly Permission[];
  /** With which application; absent for back ends. */
  application?: ApplicationType;
  /** The connection's Socket.IO id. */
  connectionId: string;
}

/** Who is about to come in, by the token that the hub has verified. */
export interface ConnectHook extends Omit<UpstreamRequest, 'event' | 'payload' | 'connectionId'> {
  /** The device, where it has a name. */
  deviceId?: string;
}

/** Who is about to join a room that they may join. */
export interface JoinHook extends ConnectHook {
  /** The room's whole name, such as `order:pizza-roma:42`. */
  room: string;
  type: RoomType;
  /** The last part of its name, such as the order's id. */
  id: string;
}

/** What the hub asks before it lets somebody in (`[upstream.hooks]` of its configuration). What throws {@link RequestRefused} keeps them
 * out, with these words; what throws anything else is no answer. A hook that is not there keeps everybody out. */
export interface UpstreamHooks {
  connect?(hook: ConnectHook): unknown;
  join?(hook: JoinHook): unknown;
}

/** How requests are taken, and hooks answered. */
export interface UpstreamOptions extends HandlerOptions {
  hooks?: UpstreamHooks;
}

/** Says no to a client, in words that it gets. Anything else that is thrown is a fault of the back end, and the client is told no more. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

/** What comes with an answer. */
export interface UpstreamReply {
  /** Has the hub publish an event as the back end's, before the client is answered; up to 100, in their order. Give it an `id`, so that
   * a client that asks again does not publish it again. */
  publish(event: PublishableMessage): void;
}

/** Answers a request: what it gives becomes the acknowledgement's `data`. */
export type UpstreamAnswerer = (request: UpstreamRequest, reply: UpstreamReply) => unknown;

function isRequest(body: unknown): body is UpstreamRequest {
  const it = body as Partial<UpstreamRequest> | null;
  return typeof it === 'object' && it !== null && typeof it.event === 'string' && typeof it.tenantId === 'string'
    && typeof it.userId === 'string' && typeof it.role === 'string' && Array.isArray(it.permissions);
}

/** The hooks as answerers, by the names that the hub asks under; no client's event can have them. */
function hookAnswerers({ connect, join }: UpstreamHooks): ReadonlyMap<string, UpstreamAnswerer> {
  const answerers = new Map<string, UpstreamAnswerer>();
  if (connect) answerers.set('hook:connect', async (request) => { await connect(request); });
  if (join) {
    answerers.set('hook:join', async (request) => { await join({ ...request, ...request.payload as Pick<JoinHook, 'room' | 'type' | 'id'> }); });
  }
  return answerers;
}

/**
 * Answers clients' requests that the hub forwards (`[upstream]` of its configuration): one function for each event's name.
 *
 * ```js
 * const upstream = upstreamHandler({ 'kitchen:get_orders': ({ tenantId }) => orders.of(tenantId) }, { secret });
 * createServer(upstream.node).listen(3000);
 * ```
 */
export function upstreamHandler(answerers: Readonly<Record<string, UpstreamAnswerer>>, options: UpstreamOptions): HubRequestHandler {
  const hooks = hookAnswerers(options.hooks ?? {});
  return hubRequestHandler(options, async (body): Promise<HttpAnswer> => {
    if (!isRequest(body)) return { status: 400, body: { success: false, error: 'this is no request of the hub' } };
    const answerer = hooks.get(body.event) ?? (Object.hasOwn(answerers, body.event) ? answerers[body.event] : undefined);
    if (answerer === undefined) return { status: 404, body: { success: false, error: `nobody answers ${body.event}` } };
    const events: PublishableMessage[] = [];
    const publish = (event: PublishableMessage) => void events.push(event);
    try {
      const data = (await answerer(body, { publish })) ?? null;
      return { status: 200, body: { success: true, data, ...(events.length > 0 && { events }) } };
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      return { status: 200, body: { success: false, error: error.message } };
    }
  });
}
