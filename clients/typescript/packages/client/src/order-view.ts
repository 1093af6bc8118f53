import type { WebSocketMessage } from '@foodtrack/websocket-contract';

/** How many of an order's events a view keeps. */
const EVENTS_MAX = 100;

/** What the events of an order said so far. */
export interface OrderView {
  readonly orderId: string;
  /** The last `order:status_changed`, or what another event implies: `cancelled`, `delivered`. */
  readonly status?: string;
  readonly customerId?: string;
  readonly assigneeId?: string;
  /** Where the courier was last. */
  readonly location?: { readonly latitude: number; readonly longitude: number; readonly at: string };
  /** The newest of its events, oldest first; places of couriers are not among them. */
  readonly events: readonly WebSocketMessage[];
}

/** Whether a message names an order. */
export const isAboutOrders = (message: { payload: unknown }): boolean =>
  typeof (message.payload as { orderId?: unknown } | null)?.orderId === 'string';

/** The view after one more message; the same view where the message is about another order. */
export function foldOrder(view: OrderView, message: WebSocketMessage): OrderView {
  const payload = message.payload as Record<string, unknown>;
  if (payload['orderId'] !== view.orderId) return view;
  if (message.type === 'delivery:location_updated') {
    const { latitude, longitude } = payload as { latitude: number; longitude: number };
    return { ...view, location: { latitude, longitude, at: message.timestamp } };
  }
  if (view.events.some((event) => event.id === message.id)) return view;
  const status = statusOf(message.type, payload) ?? view.status;
  const customerId = text(payload['customerId']) ?? view.customerId;
  const assigneeId = text(payload['assigneeId']) ?? view.assigneeId;
  return {
    ...view,
    ...(status !== undefined && { status }),
    ...(customerId !== undefined && { customerId }),
    ...(assigneeId !== undefined && { assigneeId }),
    events: [...view.events, message].slice(-EVENTS_MAX),
  };
}

function statusOf(type: string, payload: Record<string, unknown>): string | undefined {
  switch (type) {
    case 'order:status_changed': return text(payload['status']);
    case 'order:cancelled': return 'cancelled';
    case 'delivery:completed': return 'delivered';
    default: return undefined;
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
