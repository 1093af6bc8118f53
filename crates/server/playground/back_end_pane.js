// A question to the business back end, through the hub: who asks, what, and what is answered, after how long.

import { el, setText } from './dom.js';
import { keepFocus } from './focus.js';

/** Between what became of a request and its answer. */
const LINE_GAP_PX = 8;

/** Requests to begin with; `orderId` stands for the newest order. */
const REQUESTS = [
  { name: 'order:get_details', says: 'the newest order', payload: { orderId: '' } },
  { name: 'order:get_details', says: 'an order that is not there', payload: { orderId: 'NOSUCH' } },
  { name: 'kitchen:get_stations', says: 'the kitchen\'s stations', payload: {} },
  { name: 'tenant:get_kitchen_status', says: 'whether it cooks', payload: {} },
  { name: 'admin:get_connection_stats', says: 'for administrators alone', payload: {} },
  { name: 'kitchen:get_orders', says: 'nobody answers it here', payload: {} },
  { name: 'demo:answer_late', says: 'answered too late', payload: {} },
];

/** Asks the demo's toy back end, which stands where the platform's API gateway does. */
export class BackEndPane {
  #restaurant;
  #seat;
  #request;
  #payload;
  #ask;
  #outcome;
  #took;
  #hint;
  #answer;

  constructor(restaurant) {
    this.#restaurant = restaurant;
    this.#seat = el('select', { name: 'as' }, restaurant.seats.map(({ label }, i) => el('option', { value: i }, label)));
    this.#seat.value = String(restaurant.seats.indexOf(restaurant.dashboard));
    this.#request = el('select', { name: 'request', onchange: () => this.#fill() },
      REQUESTS.map(({ name, says }, i) => el('option', { value: i }, `${name} (${says})`)));
    this.#payload = el('textarea', { rows: 2, spellcheck: 'false' });
    this.#ask = el('button', { type: 'submit', class: 'primary' }, 'Ask');
    this.#outcome = el('strong', {});
    this.#took = el('span', { class: 'soft latency' });
    this.#hint = el('span', { class: 'soft' }, 'The hub posts it to the back end, signed and with who asks; its answer is the acknowledgement.');
    this.#answer = el('pre', { class: 'json answer', tabindex: 0, 'aria-label': 'What was answered' });
    const name = `back-end-${restaurant.id}`;
    const field = (title, input) => el('label', {}, el('span', { class: 'soft' }, title), input);
    this.element = el('section', { class: 'pane back-end', 'data-role': 'back-end', 'aria-labelledby': name },
      el('header', { class: 'pane-head' }, el('h2', { id: name }, 'Ask the back end')),
      el('div', { class: 'scroll' },
        el('form', { onsubmit: (event) => { event.preventDefault(); this.#submit(); } },
          el('div', { class: 'who-what' }, field('As', this.#seat), field('Request', this.#request)),
          field('Payload, as JSON', this.#payload),
          this.#ask),
        el('p', { class: 'outcome', role: 'status' },
          this.#outcome,
          this.#took,
          this.#hint),
        this.#answer));
  }

  /** Fills in the newest order, where there is one and nothing was typed. */
  draw() {
    if (!this.#payload.value) this.#fill();
  }

  #fill() {
    const payload = { ...REQUESTS[Number(this.#request.value)].payload };
    if (payload.orderId === '') {
      const newest = this.#restaurant.dashboard.book.orders.at(-1)?.orderId;
      if (!newest) return;
      payload.orderId = newest;
    }
    this.#payload.value = JSON.stringify(payload);
  }

  async #submit() {
    let payload;
    try {
      payload = JSON.parse(this.#payload.value || '{}');
    } catch (cause) {
      this.#say(false, 'not asked', '', `This is not JSON: ${cause.message}`);
      return;
    }
    const { connection } = this.#restaurant.seats[Number(this.#seat.value)];
    const { name } = REQUESTS[Number(this.#request.value)];
    keepFocus(this.element, () => { this.#ask.textContent = 'Asking…'; });
    const startedAt = performance.now();
    const answer = await connection.askOnce(name, payload);
    const tookMs = performance.now() - startedAt;
    this.#ask.textContent = 'Ask';
    this.#say(answer.success, answer.success ? 'answered' : answer.error.code, `after ${tookMs.toFixed(1)} ms`, JSON.stringify(answer, null, 2));
  }

  /** Brings the answer into view with what became of it: where the pane is too low for all of it, the question moves out. */
  #showAnswer() {
    const line = this.#outcome.parentElement;
    const scroller = line.parentElement;
    if (scroller.scrollHeight > scroller.clientHeight) {
      // As high as what is left, so that the line can come to the top.
      this.#answer.style.minHeight = `${scroller.clientHeight - line.offsetHeight - LINE_GAP_PX}px`;
      scroller.scrollTop += line.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    } else {
      this.#answer.scrollIntoView({ block: 'nearest' });
    }
  }

  #say(success, outcome, took, text) {
    this.element.dataset.success = String(success);
    this.#hint.hidden = true;
    setText(this.#outcome, outcome);
    setText(this.#took, took);
    setText(this.#answer, text);
    this.#showAnswer();
  }
}
