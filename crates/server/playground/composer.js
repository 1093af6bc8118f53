// An event of one's own: who sends it, which one, with what; and what the hub answers.

import { el, setText } from './dom.js';
import { keepFocus } from './focus.js';

/** Events to begin with; `orderId` stands for the newest order. Others can be typed. */
const EXAMPLES = {
  'notification:info': { message: 'The oven is hot again', title: 'Kitchen' },
  'order:updated': { orderId: '', notes: 'no onions' },
  'order:status_changed': { orderId: '', status: 'preparing' },
  'order:cancelled': { orderId: '', reason: 'changed my mind' },
  'kitchen:notification': { message: 'Two pizzas for table 4' },
  'kitchen:preparation_started': { orderId: '' },
  'delivery:delayed': { orderId: '', reason: 'traffic' },
  'inventory:low_stock': { ingredientId: 'mozzarella', currentStock: 2, minimumStock: 5, unit: 'kg' },
  'product:availability_changed': { productId: 'margherita', available: false },
  'quality:issue_reported': { orderId: '', issue: 'too dark' },
  'station:help_requested': { stationId: 'oven', message: 'two hands, please' },
};

/** A form that sends one event as one of a restaurant's people. */
export class Composer {
  #restaurant;
  #seat;
  #type;
  #payload;
  #send;
  #answer;

  constructor(restaurant) {
    this.#restaurant = restaurant;
    const types = `event-types-${restaurant.id}`;
    this.#seat = el('select', {}, restaurant.seats.map(({ label }, i) => el('option', { value: i }, label)));
    this.#seat.value = String(restaurant.seats.indexOf(restaurant.dashboard));
    this.#type = el('input', { list: types, value: Object.keys(EXAMPLES)[0], spellcheck: 'false', onchange: () => this.#fill() });
    this.#payload = el('textarea', { rows: 5, spellcheck: 'false' });
    this.#send = el('button', { type: 'submit', class: 'primary' }, 'Send');
    this.#answer = el('pre', { class: 'json answer', role: 'status' });
    const field = (title, input) => el('label', {}, el('span', { class: 'soft' }, title), input);
    this.element = el('details', { class: 'composer' },
      el('summary', {}, 'Send an event of your own'),
      el('form', { onsubmit: (event) => { event.preventDefault(); this.#submit(); } },
        field('As', this.#seat),
        field('Event', this.#type),
        el('datalist', { id: types }, Object.keys(EXAMPLES).map((type) => el('option', { value: type }))),
        field('Payload, as JSON', this.#payload),
        this.#send,
        this.#answer));
    this.element.addEventListener('toggle', () => { if (!this.#payload.value) this.#fill(); });
  }

  #fill() {
    const example = EXAMPLES[this.#type.value];
    if (!example) return;
    const filled = { ...example };
    if ('orderId' in filled) filled.orderId = this.#restaurant.dashboard.book.orders.at(-1)?.orderId ?? 'NONE-YET';
    this.#payload.value = JSON.stringify(filled, null, 2);
  }

  async #submit() {
    let payload;
    try {
      payload = JSON.parse(this.#payload.value);
    } catch (cause) {
      this.#say(false, `This is not JSON: ${cause.message}`);
      return;
    }
    const { connection } = this.#restaurant.seats[Number(this.#seat.value)];
    keepFocus(this.element, () => { this.#send.textContent = 'Sending…'; });
    const answer = await connection.send(this.#type.value, payload);
    this.#send.textContent = 'Send';
    this.#say(answer.success, JSON.stringify(answer, null, 2));
  }

  #say(success, text) {
    this.#answer.dataset.success = String(success);
    setText(this.#answer, text);
  }
}
