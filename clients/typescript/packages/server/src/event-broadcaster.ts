import { setTimeout as sleep } from 'node:timers/promises';

import { ApplicationType, RoomType } from '@foodtrack/websocket-contract';

import type { Destination, DirectEvent } from './admin-types.js';
import { covers } from './audience.js';
import { HubError, unsupported } from './hub-error.js';
import { type HubLink, runningOf, withConnection } from './hub-link.js';
import type { PublishableMessage } from './publisher.js';
import type { WebSocketEvent } from './surface.js';

/**
 * Publishes events as the back end of a tenant. Each call resolves once the hub has taken the event, and repeats it under one id
 * until then; it rejects with a `HubError` where the hub will not take it.
 *
 * The hub's rules decide whom an event type may reach, and a broadcast only narrows that. `notification:*` and `product:*` reach
 * every application; `order:created`, say, reaches dashboards and kitchens and the order's own people, whoever it is broadcast to.
 */
export interface EventBroadcaster {
  /** To everyone of the tenant whom the event's rules name. */
  broadcastToTenant(tenantId: string, event: WebSocketEvent): Promise<void>;
  /**
   * To a room, by its full name. A tenant's and an application's rooms are as `broadcastToTenant` and `broadcastToApplication`. An
   * order's, a station's or a route's room gets an event that is about it: its id is written into the payload (`orderId`,
   * `stationId`, `routeId`) where it is absent. The other destinations of the event's rules get it, too.
   *
   * @throws HubError `unsupported` where the event's rules do not lead to such a room, the payload names another one, or it is a
   * user's room.
   */
  broadcastToRoom(room: string, event: WebSocketEvent): Promise<void>;
  /**
   * To one connection of a tenant that is followed, by its Socket.IO id, past the rules: at most once, and only while it is here. A
   * client that lost its connection comes back under another id and does not get it: what a user must get is broadcast to their
   * application, order or room.
   *
   * @throws HubError `not_found` where no tenant that is followed has it, `permission_denied` where its token may not read such events,
   * `unsupported` where its application has no name for them.
   */
  broadcastToSocket(socketId: string, event: WebSocketEvent): Promise<void>;
  /** To one application of the tenant, of those that the event's rules name. */
  broadcastToApplication(appType: ApplicationType, tenantId: string, event: WebSocketEvent): Promise<void>;
  broadcastToMultipleApplications(appTypes: ApplicationType[], tenantId: string, event: WebSocketEvent): Promise<void>;
}

const PART = 'EventBroadcaster';

/** How a room gets events: the payload's field that names it, and the rules' destination. */
const ROOMS: Readonly<Record<string, { field: string; to: Destination }>> = {
  [RoomType.Order]: { field: 'orderId', to: 'order_room' },
  [RoomType.KitchenStation]: { field: 'stationId', to: 'station_room' },
  [RoomType.DeliveryRoute]: { field: 'routeId', to: 'route_room' },
};

/** How long what the hub refuses for the moment is sent again, and how soon where it does not say. */
const SOCKET_GIVE_UP_MS = 5_000;
const SOCKET_PAUSE_MS = 250;

/** Repeats what was refused for the moment. Where nobody knows whether it was done, it is not repeated: it might be done twice. */
async function withoutDoubt<T>(act: () => Promise<T>): Promise<T> {
  const giveUpAtMs = Date.now() + SOCKET_GIVE_UP_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const isRefused = error instanceof HubError && error.number !== undefined && error.code !== 'timeout' && error.isRetryable;
      const pauseMs = isRefused ? (error.retryAfterMs ?? SOCKET_PAUSE_MS) : 0;
      if (!isRefused || Date.now() + pauseMs > giveUpAtMs) throw error;
      await sleep(pauseMs);
    }
  }
}

const isApplication = (name: string): name is ApplicationType => (Object.values(ApplicationType) as string[]).includes(name);

class HubEventBroadcaster implements EventBroadcaster {
  constructor(private readonly link?: HubLink) {}

  broadcastToTenant(tenantId: string, event: WebSocketEvent): Promise<void> {
    return this.#publish(tenantId, event);
  }

  async broadcastToRoom(room: string, event: WebSocketEvent): Promise<void> {
    const [, type = '', tenantId = '', id = ''] = /^([a-z_]+):([A-Za-z0-9_-]+)(?::(.+))?$/s.exec(room) ?? [];
    if (type === RoomType.Tenant && id === '') return this.#publish(tenantId, event);
    if (type === RoomType.Application && isApplication(id)) return this.#publish(tenantId, event, [id]);
    const way = ROOMS[type];
    if (!way || id === '') {
      throw unsupported(`the hub publishes nothing to ${room}: it is no room of a tenant, an application, an order, a station or a route`);
    }
    const { view } = runningOf(this.link, PART);
    await view.follow(tenantId);
    const isLed = view.rules(tenantId).some((rule) => covers(rule, event.type) && rule.from.includes('system') && rule.to.includes(way.to));
    if (!isLed) throw unsupported(`the rules of ${event.type} do not lead to rooms of the kind ${type}`);
    const payload = (typeof event.payload === 'object' && event.payload !== null ? event.payload : {}) as Record<string, unknown>;
    const named = payload[way.field] ?? id;
    if (named !== id) throw unsupported(`the payload's ${way.field} is ${String(named)}: it goes to that room, not to ${room}`);
    return this.#publish(tenantId, { ...event, payload: { ...payload, [way.field]: id } });
  }

  async broadcastToSocket(socketId: string, { type, payload, priority }: WebSocketEvent): Promise<void> {
    const event = { type, payload, priority } as DirectEvent;
    const running = runningOf(this.link, PART);
    const { delivered } = await withoutDoubt(() => withConnection(running, socketId, (admin) => admin.sendToConnection(socketId, event)));
    if (!delivered) throw unsupported(`the application of ${socketId} has no name for ${type}, or its parser cannot say it`);
  }

  broadcastToApplication(appType: ApplicationType, tenantId: string, event: WebSocketEvent): Promise<void> {
    return this.#publish(tenantId, event, [appType]);
  }

  broadcastToMultipleApplications(appTypes: ApplicationType[], tenantId: string, event: WebSocketEvent): Promise<void> {
    return this.#publish(tenantId, event, appTypes);
  }

  async #publish(tenantId: string, { type, payload, priority }: WebSocketEvent, target?: ApplicationType[]): Promise<void> {
    const { access } = runningOf(this.link, PART);
    await access.publisher(tenantId).publish({ type, payload, priority, ...(target && { target }) } as PublishableMessage);
  }
}

export const EventBroadcaster: new (link?: HubLink) => EventBroadcaster = HubEventBroadcaster;
