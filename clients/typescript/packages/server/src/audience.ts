import { type Source, defaultPermissions, deliveryRouteRoom, kitchenStationRoom, orderRoom, userRoom } from '@foodtrack/websocket-contract';

import type { ConnectionInfo, Destination, Rule } from './admin-types.js';

/** An event as the rules see it. */
export interface RoutedEvent {
  type: string;
  source: Source;
  target?: string | readonly string[] | null | undefined;
  payload: unknown;
}

/** Whether a rule is about an event type. */
export const covers = (rule: Rule, type: string): boolean =>
  rule.events === '*' || rule.events === type || (rule.events.endsWith(':*') && type.startsWith(rule.events.slice(0, -1)));

/** What a token must allow for its connection to receive an event: one of these. */
function readPermissions(type: string): string[] {
  if (type === 'kitchen:preparation_completed') return ['read:kitchen', 'read:delivery'];
  switch (type.split(':')[0]) {
    case 'order': return ['read:orders'];
    case 'kitchen': case 'quality': case 'station': return ['read:kitchen'];
    case 'delivery': return ['read:delivery'];
    case 'inventory': return ['read:inventory'];
    default: return [];
  }
}

/**
 * The connections that an event would reach by the rules, its target, and what the connections' roles may read. A foresight:
 * the hub alone decides, also by what it knows of orders and of permissions that a token lists.
 */
export function audienceOf(
  tenantId: string, event: RoutedEvent, rules: readonly Rule[], connections: readonly ConnectionInfo[],
): ConnectionInfo[] {
  const payload = (typeof event.payload === 'object' && event.payload !== null ? event.payload : {}) as Record<string, unknown>;
  const room = (make: (tenant: string, id: string) => string, ...ids: unknown[]) => {
    const id = ids.find((one) => typeof one === 'string');
    return typeof id === 'string' ? make(tenantId, id) : undefined;
  };
  const rooms: Partial<Record<Destination, string | undefined>> = {
    order_room: room(orderRoom, payload['orderId']),
    customer: room(userRoom, payload['customerId']),
    assignee: room(userRoom, payload['assigneeId']),
    station_room: room(kitchenStationRoom, payload['stationId'], payload['assignedStation']),
    route_room: room(deliveryRouteRoom, payload['routeId']),
  };
  const to = new Set(rules.filter((rule) => covers(rule, event.type) && rule.from.includes(event.source)).flatMap((rule) => rule.to));
  const inRooms = [...to].flatMap((one) => rooms[one] ?? []);
  const target = event.target === undefined || event.target === null ? undefined : [event.target].flat();
  const read = readPermissions(event.type);
  return connections.filter(({ application, role, rooms: joined }) => {
    if (target && !(application && target.includes(application))) return false;
    if (read.length > 0 && !defaultPermissions[role].some((one) => read.includes(one))) return false;
    const isNamed = application ? to.has(application) || to.has('every_application') : false;
    return isNamed || inRooms.some((one) => joined.includes(one));
  });
}
