import { ApplicationType, RoomType } from '@foodtrack/websocket-contract';

import type { Destination } from './admin-types.js';
import { covers } from './audience.js';
import { unsupported } from './hub-error.js';
import { type HubLink, runningOf } from './hub-link.js';
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
   * Always rejects: the hub has no events for a single connection, since what a user should get must also reach their other devices
   * and be replayed after an outage.
   *
   * @throws HubError `unsupported`
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

  async broadcastToSocket(socketId: string, _event: WebSocketEvent): Promise<void> {
    throw unsupported(`the hub has no events for one connection (${socketId}): publish one for its user, order or application`);
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
