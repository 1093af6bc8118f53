// The customer's phone: a menu to order from, and where the order is.

import { KeyedList, el, setText } from './dom.js';
import { keepFocus } from './focus.js';
import { dishPicture } from './icons.js';
import { STEPS, STEP_NAMES, isFinished } from './order_book.js';
import { Pane, itemsText, orderTag } from './pane.js';
import { StreetMap } from './street_map.js';

const ORDERS_SHOWN = 12;

/** The Client App of one guest. */
export class CustomerPane {
  #restaurant;
  #pane;
  #basket = new Map();
  #chosen = null;
  #view = 'menu';
  #parts = {};
  #map;
  #others;

  constructor(restaurant, switches) {
    this.#restaurant = restaurant;
    this.#pane = new Pane({
      role: 'customer', title: 'Customer', restaurant, switches, connection: () => restaurant.customer.connection,
    });
    this.element = this.#pane.element;
    this.#map = new StreetMap(restaurant, 'Map: where the courier is');
    const phone = el('div', { class: 'phone' }, this.#tabs(), this.#menuView(), this.#trackView());
    this.#pane.body.append(phone);
    this.#turnTo('menu');
  }

  /** Shows the basket and the orders as they stand. */
  draw() {
    this.#pane.drawLine();
    this.#drawBasket();
    this.#drawTrack();
  }

  #tabs() {
    const tab = (view, text) => el('button', { type: 'button', 'data-view': view, onclick: () => this.#turnTo(view) }, text);
    this.#parts.menuTab = tab('menu', 'Menu');
    this.#parts.trackTab = tab('track', 'My orders');
    return el('div', { class: 'segments', role: 'group', 'aria-label': 'Phone' }, this.#parts.menuTab, this.#parts.trackTab);
  }

  #turnTo(view) {
    this.#view = view;
    this.#parts.menuTab.setAttribute('aria-pressed', String(view === 'menu'));
    this.#parts.trackTab.setAttribute('aria-pressed', String(view === 'track'));
    this.#parts.menu.hidden = view !== 'menu';
    this.#parts.track.hidden = view !== 'track';
  }

  #menuView() {
    const restaurant = this.#restaurant;
    this.#parts.counts = new Map();
    const rows = restaurant.menu.map((dish) => {
      const count = el('output', { 'aria-label': `${dish.name} in the basket` }, '0');
      const fewer = this.#stepButton(dish, -1, '−', `One ${dish.name} less`);
      this.#parts.counts.set(dish.sku, { count, fewer });
      return el('li', { class: 'menu-row' },
        dishPicture(dish),
        el('div', { class: 'menu-text' },
          el('strong', {}, dish.name), el('span', { class: 'soft' }, dish.about),
          el('span', { class: 'price' }, restaurant.money(dish.price))),
        el('div', { class: 'stepper' }, fewer, count, this.#stepButton(dish, 1, '+', `One ${dish.name} more`)));
    });
    const home = restaurant.randomAddress();
    this.#parts.address = el('select', { 'aria-label': 'Deliver to' }, restaurant.addresses.map(({ street }) =>
      el('option', { value: street, selected: street === home.street }, street)));
    this.#parts.place = el('button', { type: 'button', class: 'primary', 'data-action': 'place-order', onclick: () => this.#place() });
    this.#parts.menu = el('div', { class: 'view' },
      el('ul', { class: 'menu plain' }, rows),
      el('div', { class: 'checkout' },
        el('label', {}, el('span', { class: 'soft' }, 'To'), this.#parts.address), this.#parts.place));
    return this.#parts.menu;
  }

  #stepButton({ sku }, by, sign, label) {
    return el('button', {
      type: 'button', 'aria-label': label,
      onclick: () => {
        const quantity = (this.#basket.get(sku) ?? 0) + by;
        if (quantity > 0) this.#basket.set(sku, Math.min(quantity, 20));
        else this.#basket.delete(sku);
        keepFocus(this.element, () => this.#drawBasket());
      },
    }, sign);
  }

  #drawBasket() {
    let total = 0;
    for (const { sku, price } of this.#restaurant.menu) {
      const quantity = this.#basket.get(sku) ?? 0;
      const { count, fewer } = this.#parts.counts.get(sku);
      setText(count, quantity);
      fewer.disabled = quantity === 0;
      total += quantity * price;
    }
    this.#parts.place.disabled = total === 0;
    setText(this.#parts.place, total === 0 ? 'Choose a dish' : `Place order · ${this.#restaurant.money(total)}`);
  }

  async #place() {
    const basket = [...this.#basket].map(([sku, quantity]) => ({ sku, quantity }));
    const address = this.#restaurant.addresses.find(({ street }) => street === this.#parts.address.value);
    const hadFocus = document.activeElement === this.#parts.place;
    this.#basket.clear();
    this.#drawBasket();
    const { success, orderId } = await this.#restaurant.placeOrder(this.#restaurant.customer, basket, address);
    if (!success) return;
    this.#chosen = orderId;
    this.#turnTo('track');
    // The button that was pressed is out of view now.
    if (hadFocus) this.#parts.trackTab.focus();
    this.#restaurant.onChange();
  }

  #trackView() {
    const parts = this.#parts;
    parts.headline = el('p', { class: 'headline' });
    parts.summary = el('p', { class: 'soft' });
    parts.steps = STEPS.map((step) => {
      const took = el('span', { class: 'took' });
      return { step, took, element: el('li', { 'data-step': step }, el('span', {}, STEP_NAMES[step]), took) };
    });
    const others = el('ul', { class: 'order-chips plain', 'aria-label': 'My orders' });
    this.#others = new KeyedList(others, (order) => {
      const dot = el('i', { class: 'dot' });
      const button = el('button', {
        type: 'button', onclick: () => { this.#chosen = order.orderId; this.#drawTrack(); },
      }, dot, orderTag(order));
      return {
        element: el('li', {}, button),
        update: (now) => {
          dot.dataset.status = now.status;
          button.setAttribute('aria-pressed', String(now.orderId === this.#shown()?.orderId));
          button.title = STEP_NAMES[now.status] ?? now.status;
        },
      };
    });
    parts.order = el('article', { class: 'my-order' }, this.#map.element, parts.headline, parts.summary,
      el('ol', { class: 'timeline plain' }, parts.steps.map(({ element }) => element)));
    parts.none = el('p', { class: 'empty' }, 'No order yet. Pick something from the menu.');
    parts.track = el('div', { class: 'view' }, parts.none, parts.order, others);
    return parts.track;
  }

  // What the person ordered stays in view; otherwise the newest.
  #shown() {
    const { book } = this.#restaurant.customer;
    return (this.#chosen && book.find(this.#chosen)) || book.orders.at(-1);
  }

  #drawTrack() {
    const { orders } = this.#restaurant.customer.book;
    const open = orders.filter((order) => !isFinished(order)).length;
    setText(this.#parts.trackTab, open ? `My orders · ${open}` : 'My orders');
    if (this.#view !== 'track') return;
    const order = this.#shown();
    this.#parts.none.hidden = Boolean(order);
    this.#parts.order.hidden = !order;
    this.#others.show(orders.slice(-ORDERS_SHOWN).reverse(), ({ orderId }) => orderId);
    if (!order) return;
    this.#map.show([order]);
    this.#parts.order.dataset.orderId = order.orderId;
    this.#parts.order.dataset.status = order.status;
    setText(this.#parts.headline, `${STEP_NAMES[order.status] ?? order.status}${order.status === 'on_the_way' ? ` with ${order.courierName}` : ''}`);
    setText(this.#parts.summary, `${orderTag(order)} · ${itemsText(order)} · ${this.#restaurant.money(order.totalAmount)}`);
    for (const { step, took, element } of this.#parts.steps) {
      const reached = STEPS.indexOf(order.status) >= STEPS.indexOf(step);
      element.dataset.reached = String(reached);
      if (order.status === step) element.setAttribute('aria-current', 'step');
      else element.removeAttribute('aria-current');
      const sincePlacedMs = (order.at[step] ?? NaN) - order.at.placed;
      setText(took, reached && sincePlacedMs > 0 ? `+${(sincePlacedMs / 1000).toFixed(1)} s` : '');
    }
  }
}
