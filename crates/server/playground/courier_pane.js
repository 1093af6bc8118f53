// The couriers' app: what to fetch, where to ride, and who of the two is looking.

import { KeyedList, el, setText } from './dom.js';
import { STEP_NAMES, isFinished } from './order_book.js';
import { Pane, itemsText, orderTag } from './pane.js';
import { StreetMap } from './street_map.js';

/** The Delivery App, as one of the two couriers sees it. */
export class CourierPane {
  #restaurant;
  #pane;
  #who;
  #tabs;
  #map;
  #tasks;
  #none;

  constructor(restaurant, switches) {
    this.#restaurant = restaurant;
    [this.#who] = restaurant.couriers;
    this.#pane = new Pane({
      role: 'courier', title: 'Courier', restaurant, switches, connection: () => this.#who.connection,
    });
    this.element = this.#pane.element;
    this.#tabs = restaurant.couriers.map((courier) => ({
      courier,
      button: el('button', { type: 'button', 'data-courier': courier.name, onclick: () => { this.#who = courier; this.draw(); } }),
    }));
    this.#map = new StreetMap(restaurant, 'Map: your ride');
    const list = el('ul', { class: 'tasks plain', 'aria-label': 'Deliveries' });
    this.#tasks = new KeyedList(list, (order) => this.#task(order));
    this.#none = el('p', { class: 'empty' }, 'No bag to carry. The dashboard assigns orders once they are ready.');
    this.#pane.body.append(el('div', { class: 'phone' },
      el('div', { class: 'segments', role: 'group', 'aria-label': 'Courier' }, this.#tabs.map(({ button }) => button)),
      this.#map.element,
      el('div', { class: 'scroll' }, this.#none, list)));
  }

  /** Shows the chosen courier's deliveries as they stand. */
  draw() {
    this.#pane.drawLine();
    for (const { courier, button } of this.#tabs) {
      const bags = this.#openTasks(courier).length;
      button.setAttribute('aria-pressed', String(courier === this.#who));
      setText(button, bags ? `${courier.name} · ${bags}` : courier.name);
    }
    const tasks = this.#openTasks(this.#who);
    this.#map.show(tasks);
    this.#none.hidden = tasks.length > 0;
    this.#tasks.show(tasks, ({ orderId }) => orderId);
  }

  #openTasks(courier) {
    return courier.book.orders.filter((order) => order.courierId === courier.user && !isFinished(order));
  }

  #task(first) {
    const courier = this.#who;
    const status = el('span', { class: 'status' });
    const find = () => courier.book.find(first.orderId);
    const pickUp = el('button', {
      type: 'button', 'data-action': 'pick-up', 'aria-label': `Pick up order ${first.orderId}`,
      onclick: () => this.#restaurant.pickUp(courier, find()),
    }, 'Pick up');
    const complete = el('button', {
      type: 'button', 'data-action': 'deliver', 'aria-label': `Hand over order ${first.orderId}`,
      onclick: () => this.#restaurant.completeDelivery(courier, find()),
    }, 'Hand over');
    const element = el('li', { class: 'row', 'data-order-id': first.orderId },
      el('div', { class: 'row-main' },
        el('strong', {}, first.address?.street ?? orderTag(first)),
        el('span', { class: 'soft' }, `${orderTag(first)} · ${first.customerName ?? ''}: ${itemsText(first)}`)),
      el('div', { class: 'row-side' }, status, pickUp, complete));
    return {
      element,
      update: (order) => {
        const riding = order.status === 'on_the_way';
        element.dataset.status = order.status;
        status.dataset.status = order.status;
        setText(status, riding && this.#restaurant.hasArrived(order) ? 'At the door' : (STEP_NAMES[order.status] ?? order.status));
        pickUp.hidden = riding;
        complete.hidden = !riding;
      },
    };
  }
}
