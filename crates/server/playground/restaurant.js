// One restaurant as this page sees it: its applications' connections, and what people in them can do.

import { Connection } from './connection.js';
import { DeliveryCheck } from './delivery_check.js';
import { shortCode } from './ids.js';
import { OrderBook, isFinished } from './order_book.js';
import { Ride } from './street_map.js';

/** How often a riding courier says where it is, in milliseconds. */
const LOCATION_INTERVAL_MS = 400;
/** Steps that were asked for already, remembered so that nobody asks twice. */
const STEPS_REMEMBERED_MAX = 4_096;
const COURIERS = ['Luca', 'Mia'];

/** One person (or screen) in one application: a connection and what it has heard. */
class Seat {
  book = new OrderBook();

  constructor(restaurant, { application, user, name, label }) {
    Object.assign(this, { application, user, name, label });
    this.connection = new Connection({
      tenant: restaurant.id,
      application,
      user,
      onMessage: (message) => {
        this.book.apply(message);
        if (application === 'tenant_dashboard') restaurant.deliveries.came(message.id);
        restaurant.onEvent(this, message);
      },
      onState: () => restaurant.onChange(),
      onTaken: (id) => restaurant.deliveries.taken(id),
    });
  }
}

/** The four applications of one tenant, with two couriers, and guests beside the person at the phone. */
export class Restaurant {
  /** Set by the page: an event arrived at a seat; something to draw anew; something a person should read. */
  onEvent = () => {};
  onChange = () => {};
  onNotice = () => {};
  /** What the hub acknowledged, and what of it arrived. */
  deliveries = new DeliveryCheck();

  #underWay = new Set();
  #rides = new Map();

  constructor(facts, tab) {
    const { kitchen, ...rest } = facts;
    Object.assign(this, rest, { kitchenPlace: kitchen });
    const seat = (application, user, name, label) => new Seat(this, { application, user, name, label });
    this.customer = seat('client_app', `guest-${tab}`, 'You', 'customer');
    this.guests = seat('client_app', `party-${tab}`, 'Party', 'guests');
    this.dashboard = seat('tenant_dashboard', `manager-${tab}`, 'Manager', 'dashboard');
    this.kitchen = seat('kitchen_app', `chef-${tab}`, 'Chef', 'kitchen');
    this.couriers = COURIERS.map((name) => seat('delivery_app', `${name.toLowerCase()}-${tab}`, name, name));
    setInterval(() => this.#reportLocations(), LOCATION_INTERVAL_MS);
  }

  /** Every connection of this restaurant. */
  get seats() {
    return [this.customer, this.guests, this.dashboard, this.kitchen, ...this.couriers];
  }

  /** Events that all of its connections received: `own` name this tenant, `foreign` another one. */
  get counts() {
    const sum = (key) => this.seats.reduce((total, seat) => total + seat.connection[key], 0);
    return { own: sum('own'), foreign: sum('foreign') };
  }

  /** An amount in the restaurant's currency. */
  money(amount) {
    return new Intl.NumberFormat('en', { style: 'currency', currency: this.currency }).format(amount ?? 0);
  }

  /** Some dishes, as a hungry guest would pick them: a list of `{ sku, quantity }`. */
  randomBasket() {
    const shuffled = [...this.menu].sort(() => Math.random() - 0.5);
    return shuffled.slice(0, 1 + Math.floor(Math.random() * 3))
      .map(({ sku }) => ({ sku, quantity: 1 + Math.floor(Math.random() * 2) }));
  }

  /** A place in town. */
  randomAddress() {
    return this.addresses[Math.floor(Math.random() * this.addresses.length)];
  }

  /** Orders `basket` from `seat`; answers the acknowledgement with the order's id beside it. */
  async placeOrder(seat, basket, address, customerName = seat.name) {
    const orderId = shortCode(6);
    const items = basket.map(({ sku, quantity }) => {
      const { name, price } = this.menu.find((dish) => dish.sku === sku);
      return { sku, name, quantity, price };
    });
    const totalAmount = items.reduce((sum, item) => sum + item.quantity * item.price, 0);
    const answer = await seat.connection.send('order:created', {
      orderId, customerId: seat.user, customerName, items, totalAmount, currency: this.currency, address,
    });
    if (!answer.success) {
      this.#refused('The order was not taken', answer);
      return { ...answer, orderId };
    }
    const followed = await seat.connection.ask('subscribe:order', { orderId });
    if (!followed.success) this.#refused('The order cannot be followed', followed);
    return { ...followed, orderId };
  }

  /** The kitchen starts to cook. */
  startPreparation(order) {
    return this.#step(this.kitchen, order, 'kitchen:preparation_started', 'preparing');
  }

  /** The dishes are ready to go. */
  completePreparation(order) {
    return this.#step(this.kitchen, order, 'kitchen:preparation_completed', 'ready');
  }

  /** The dashboard gives the order to a courier, who learns all it needs from the event. */
  assign(order, courier) {
    const { orderId, customerId, customerName, items, totalAmount, currency, address } = order;
    return this.#once(`${orderId} assigned`, () => this.dashboard.connection.send('delivery:assigned', {
      orderId, assigneeId: courier.user, assigneeName: courier.name,
      customerId, customerName, items, totalAmount, currency, address,
    }));
  }

  /** The courier takes the bag and rides; locations follow by themselves. */
  async pickUp(courier, order) {
    const answer = await this.#step(courier, order, 'delivery:picked_up', 'on_the_way');
    if (answer?.success && order.address) {
      this.#rides.set(order.orderId, { courier, order, ride: new Ride(this.kitchenPlace, order.address) });
    }
    return answer;
  }

  /** The courier hands the bag over. */
  completeDelivery(courier, order) {
    this.#rides.delete(order.orderId);
    return this.#step(courier, order, 'delivery:completed', 'delivered');
  }

  /** Whether the courier stands at the door of this order. */
  hasArrived(order) {
    const entry = this.#rides.get(order.orderId);
    return !entry || entry.ride.now().arrived;
  }

  // Customers may not read kitchen events, and the kitchen not delivery's: the order's status speaks to all.
  #step(seat, order, type, status) {
    const { orderId, customerId } = order;
    return this.#once(`${orderId} ${status}`, async () => {
      const [answer] = await Promise.all([
        seat.connection.send(type, { orderId, customerId }),
        seat.connection.send('order:status_changed', { orderId, status, previousStatus: order.status }),
      ]);
      return answer;
    });
  }

  // A click and the autopilot, or two clicks, want the same step: the first does it.
  async #once(key, act) {
    if (this.#underWay.has(key)) return undefined;
    this.#underWay.add(key);
    if (this.#underWay.size > STEPS_REMEMBERED_MAX) this.#underWay.delete(this.#underWay.values().next().value);
    const answer = await act();
    if (!answer.success) {
      this.#underWay.delete(key);
      this.#refused('The hub refused', answer);
    }
    return answer;
  }

  #refused(what, { error }) {
    this.onNotice(`${what}: ${error.message} (${error.code})`);
  }

  #reportLocations() {
    for (const [orderId, { courier, order, ride }] of this.#rides) {
      if (isFinished(order)) {
        this.#rides.delete(orderId);
        continue;
      }
      const { position, arrived, speed, heading } = ride.now();
      // The courier's own device knows where it is without asking the hub.
      order.position = position;
      courier.connection.sendVolatile('delivery:location_updated', {
        orderId, customerId: order.customerId, ...position, speed, heading,
      });
      if (arrived) this.#rides.delete(orderId);
    }
    if (this.#rides.size) this.onChange();
  }
}
