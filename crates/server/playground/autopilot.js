// Simulated people, one kind per application, at a gentle pace. A person's clicks work beside them.

import { isFinished } from './order_book.js';

/** How often simulated people look up, in milliseconds. */
const LOOK_INTERVAL_MS = 400;
/** Orders a courier carries at once. */
const BAGS_MAX = 6;

/** Which roles run by themselves; shared by all restaurants of the page. */
export class AutopilotSwitches extends EventTarget {
  #on;

  /** Everybody is at work first, or nobody. */
  constructor(on) {
    super();
    this.#on = { customer: on, dashboard: on, kitchen: on, courier: on };
  }

  /** Whether the simulated people of `role` are at work. */
  isOn(role) {
    return this.#on[role];
  }

  /** Sends the people of `role` to work, or home. */
  set(role, on) {
    this.#on[role] = on;
    this.dispatchEvent(new Event('change'));
  }
}

const since = (order, step) => Date.now() - (order.at[step] ?? Date.now());
const open = (seat, status) => seat.book.orders.filter((order) => order.status === status);

/** Plays the enabled roles of one restaurant. */
export class Autopilot {
  #restaurant;
  #switches;
  #hungryAt = performance.now() + 700;

  constructor(restaurant, switches) {
    this.#restaurant = restaurant;
    this.#switches = switches;
    setInterval(() => this.#look(), LOOK_INTERVAL_MS);
  }

  #look() {
    const { customer, dashboard, kitchen, couriers } = this.#restaurant;
    if (this.#plays('customer', customer)) this.#order();
    if (this.#plays('kitchen', kitchen)) this.#cook();
    if (this.#plays('dashboard', dashboard)) this.#dispatch();
    for (const courier of couriers) {
      if (this.#plays('courier', courier)) this.#ride(courier);
    }
  }

  #plays(role, seat) {
    return this.#switches.isOn(role) && seat.connection.connected;
  }

  #order() {
    const { customer } = this.#restaurant;
    const waiting = customer.book.orders.some((order) => !isFinished(order));
    if (waiting) this.#hungryAt = performance.now() + 4_000 + Math.random() * 4_000;
    if (waiting || performance.now() < this.#hungryAt) return;
    this.#hungryAt = performance.now() + 10_000;
    this.#restaurant.placeOrder(customer, this.#restaurant.randomBasket(), this.#restaurant.randomAddress());
  }

  #cook() {
    const { kitchen } = this.#restaurant;
    const cooking = open(kitchen, 'preparing');
    const waiting = open(kitchen, 'placed').filter((order) => since(order, 'placed') > 1_800 + order.patience * 2_200);
    // A long queue brings more hands.
    const stovesMax = Math.max(3, Math.ceil((waiting.length + cooking.length) / 3));
    for (const order of waiting.slice(0, Math.max(0, stovesMax - cooking.length))) {
      this.#restaurant.startPreparation(order);
    }
    for (const order of cooking) {
      if (since(order, 'preparing') > 3_500 + order.patience * 3_500) this.#restaurant.completePreparation(order);
    }
  }

  #dispatch() {
    const { dashboard, couriers } = this.#restaurant;
    const load = new Map(couriers.map((courier) => [courier, 0]));
    for (const order of dashboard.book.orders) {
      const courier = couriers.find(({ user }) => user === order.courierId);
      if (courier && !isFinished(order)) load.set(courier, load.get(courier) + 1);
    }
    for (const order of open(dashboard, 'ready')) {
      if (since(order, 'ready') < 1_000 + order.patience * 1_500) continue;
      const [courier, bags] = [...load].sort((a, b) => a[1] - b[1])[0];
      load.set(courier, bags + 1);
      this.#restaurant.assign(order, courier);
    }
  }

  #ride(courier) {
    const riding = open(courier, 'on_the_way');
    const assigned = open(courier, 'assigned').filter((order) => since(order, 'assigned') > 1_200 + order.patience * 1_500);
    for (const order of assigned.slice(0, Math.max(0, BAGS_MAX - riding.length))) this.#restaurant.pickUp(courier, order);
    for (const order of riding) {
      if (since(order, 'on_the_way') > 1_500 && this.#restaurant.hasArrived(order)) {
        this.#restaurant.completeDelivery(courier, order);
      }
    }
  }
}
