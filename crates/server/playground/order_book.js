// What one application knows of the orders, from the events that reached it and from nothing else.

/** The life of an order, in order; a cancelled one leaves it. */
export const STEPS = ['placed', 'preparing', 'ready', 'assigned', 'on_the_way', 'delivered'];

/** How people call the steps. */
export const STEP_NAMES = {
  placed: 'Placed',
  preparing: 'Preparing',
  ready: 'Ready',
  assigned: 'Courier found',
  on_the_way: 'On the way',
  delivered: 'Delivered',
  cancelled: 'Cancelled',
};

/** Orders remembered at most; finished ones go first. */
const ORDERS_MAX = 300;

const STATUS_OF_EVENT = {
  'kitchen:preparation_started': 'preparing',
  'kitchen:preparation_completed': 'ready',
  'delivery:assigned': 'assigned',
  'delivery:picked_up': 'on_the_way',
  'delivery:completed': 'delivered',
  'order:cancelled': 'cancelled',
};

const DETAILS = ['customerId', 'customerName', 'items', 'totalAmount', 'currency', 'address'];

/** Whether nothing more will happen to an order. */
export const isFinished = (order) => order.status === 'delivered' || order.status === 'cancelled';

/** Orders by id, as far as one connection's events tell. */
export class OrderBook {
  #orders = new Map();

  /** All orders, the first to arrive first. */
  get orders() {
    return [...this.#orders.values()];
  }

  /** One order, or `undefined`. */
  find(orderId) {
    return this.#orders.get(orderId);
  }

  /** Takes in one event; answers the order it is about, or `undefined` where that order is unknown here. */
  apply(message) {
    const { type, payload } = message;
    const orderId = payload?.orderId;
    if (typeof orderId !== 'string') return undefined;
    let order = this.#orders.get(orderId);
    if (!order) {
      // A courier hears of an order first when it is assigned.
      if (type !== 'order:created' && type !== 'delivery:assigned') return undefined;
      order = this.#add(orderId, message);
    }
    if (type === 'delivery:assigned') {
      order.courierId = payload.assigneeId;
      order.courierName = payload.assigneeName ?? payload.assigneeId;
    }
    if (type === 'delivery:location_updated') {
      order.position = { latitude: payload.latitude, longitude: payload.longitude };
    }
    const status = type === 'order:status_changed' ? payload.status : STATUS_OF_EVENT[type];
    if (status) this.#advance(order, status);
    return order;
  }

  #add(orderId, { payload, source }) {
    const order = { orderId, source, status: 'placed', at: { placed: Date.now() }, position: null };
    // What makes simulated people differ: 0 acts at once, 1 takes its time.
    order.patience = Math.random();
    for (const detail of DETAILS) order[detail] = payload[detail];
    this.#orders.set(orderId, order);
    if (this.#orders.size > ORDERS_MAX) this.#forgetOne();
    return order;
  }

  #forgetOne() {
    const victim = this.orders.find(isFinished) ?? this.orders[0];
    this.#orders.delete(victim.orderId);
  }

  // Two events may say the same step, and a retried one may come late: an order never goes back.
  #advance(order, status) {
    if (isFinished(order)) return;
    const ahead = status === 'cancelled' || STEPS.indexOf(status) > STEPS.indexOf(order.status);
    if (!ahead) return;
    order.status = status;
    order.at[status] = Date.now();
  }
}
