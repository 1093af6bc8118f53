// The restaurant's dashboard: every open order, what it is worth, and who takes it out.

import { KeyedList, el, setText } from './dom.js';
import { STEP_NAMES, isFinished } from './order_book.js';
import { Pane, itemsText, orderTag } from './pane.js';

/** How long a finished order stays in the table, in milliseconds. */
const FINISHED_SHOWN_MS = 12_000;
const ROWS_MAX = 60;

/** The Tenant Dashboard of one restaurant. */
export class DashboardPane {
  #restaurant;
  #pane;
  #figures;
  #rows;
  #none;

  constructor(restaurant, switches) {
    this.#restaurant = restaurant;
    this.#pane = new Pane({
      role: 'dashboard', title: 'Dashboard', restaurant, switches, connection: () => restaurant.dashboard.connection,
    });
    this.element = this.#pane.element;
    const figure = (label) => {
      const value = el('dd', {}, '0');
      return { value, element: el('div', {}, el('dt', {}, label), value) };
    };
    this.#figures = { open: figure('Open'), delivered: figure('Delivered'), sales: figure('Sales') };
    const list = el('ul', { class: 'rows plain', 'aria-label': 'Orders' });
    this.#rows = new KeyedList(list, (order) => this.#row(order));
    this.#none = el('p', { class: 'empty' }, 'No open orders.');
    this.#pane.body.append(
      el('dl', { class: 'figures' }, Object.values(this.#figures).map(({ element }) => element)),
      el('div', { class: 'scroll' }, this.#none, list));
  }

  /** Shows the orders as they stand. */
  draw() {
    this.#pane.drawLine();
    const { orders } = this.#restaurant.dashboard.book;
    const delivered = orders.filter((order) => order.status === 'delivered');
    setText(this.#figures.open.value, orders.filter((order) => !isFinished(order)).length);
    setText(this.#figures.delivered.value, delivered.length);
    setText(this.#figures.sales.value, this.#restaurant.money(delivered.reduce((sum, order) => sum + (order.totalAmount ?? 0), 0)));
    const now = Date.now();
    const shown = orders.filter((order) => !isFinished(order) || now - order.at[order.status] < FINISHED_SHOWN_MS);
    this.#none.hidden = shown.length > 0;
    this.#rows.show(shown.slice(-ROWS_MAX).reverse(), ({ orderId }) => orderId);
  }

  #row(first) {
    const { couriers, customer, dashboard } = this.#restaurant;
    const status = el('span', { class: 'status' });
    const actions = el('div', { class: 'actions' }, couriers.map((courier) => el('button', {
      type: 'button', 'data-action': 'assign', 'aria-label': `Assign order ${first.orderId} to ${courier.name}`,
      onclick: () => this.#restaurant.assign(dashboard.book.find(first.orderId), courier),
    }, courier.name)));
    const courierName = el('span', { class: 'soft' });
    const mine = first.customerId === customer.user;
    const element = el('li', { class: 'row', 'data-order-id': first.orderId },
      el('div', { class: 'row-main' },
        el('strong', {}, orderTag(first), mine ? el('span', { class: 'mine' }, 'your phone') : null),
        el('span', { class: 'soft' }, `${first.customerName ?? first.customerId}: ${itemsText(first)}`)),
      el('div', { class: 'row-side' },
        el('span', { class: 'price' }, this.#restaurant.money(first.totalAmount)), status, courierName, actions));
    return {
      element,
      update: (order) => {
        element.dataset.status = order.status;
        status.dataset.status = order.status;
        setText(status, order.status === 'ready' ? 'Ready: assign to' : (STEP_NAMES[order.status] ?? order.status));
        actions.hidden = order.status !== 'ready';
        setText(courierName, order.courierName ?? '');
      },
    };
  }
}
