// The kitchen's screen: tickets to start, and tickets on the stove.

import { KeyedList, el, setText } from './dom.js';
import { Pane, orderTag } from './pane.js';

const TICKETS_MAX = 40;

/** The Kitchen App of one restaurant. */
export class KitchenPane {
  #restaurant;
  #pane;
  #columns;

  constructor(restaurant, switches) {
    this.#restaurant = restaurant;
    this.#pane = new Pane({
      role: 'kitchen', title: 'Kitchen', restaurant, switches, connection: () => restaurant.kitchen.connection,
    });
    this.element = this.#pane.element;
    this.#columns = [
      this.#column('placed', 'New', 'Start', (order) => restaurant.startPreparation(order)),
      this.#column('preparing', 'On the stove', 'Ready', (order) => restaurant.completePreparation(order)),
    ];
    this.#pane.body.append(el('div', { class: 'board' }, this.#columns.map(({ element }) => element)));
  }

  /** Shows the tickets as they stand. */
  draw() {
    this.#pane.drawLine();
    const { orders } = this.#restaurant.kitchen.book;
    for (const { status, count, list, none } of this.#columns) {
      const tickets = orders.filter((order) => order.status === status);
      setText(count, tickets.length);
      none.hidden = tickets.length > 0;
      list.show(tickets.slice(0, TICKETS_MAX), ({ orderId }) => orderId);
    }
  }

  #column(status, title, verb, act) {
    const count = el('span', { class: 'count' }, '0');
    const none = el('p', { class: 'empty' }, status === 'placed' ? 'Nothing waits.' : 'The stove is free.');
    const tickets = el('ul', { class: 'tickets plain', 'aria-label': title });
    const list = new KeyedList(tickets, (first) => this.#ticket(first, status, verb, act));
    const element = el('div', { class: 'column' }, el('h3', {}, title, count), el('div', { class: 'scroll' }, none, tickets));
    return { status, count, none, list, element };
  }

  #ticket(first, status, verb, act) {
    const { customer, kitchen } = this.#restaurant;
    const age = el('span', { class: 'age' });
    const element = el('li', { class: 'ticket', 'data-order-id': first.orderId, 'data-status': status },
      el('div', { class: 'ticket-head' }, el('strong', {}, orderTag(first)), age),
      first.customerId === customer.user ? el('span', { class: 'mine' }, 'your phone') : null,
      el('ul', { class: 'plain' }, (first.items ?? []).map(({ quantity, name }) =>
        el('li', {}, el('b', {}, `${quantity}×`), ` ${name}`))),
      el('button', {
        type: 'button', 'data-action': status === 'placed' ? 'start' : 'complete', 'aria-label': `${verb}: order ${first.orderId}`,
        onclick: () => act(kitchen.book.find(first.orderId)),
      }, verb));
    return {
      element,
      update: (order) => setText(age, `${Math.max(0, Math.floor((Date.now() - order.at[status]) / 1000))} s`),
    };
  }
}
