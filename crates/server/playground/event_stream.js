// Every event this restaurant's connections received, newest first, with how long it travelled and what it says.

import { KeyedList, el, setText } from './dom.js';
import { icon } from './icons.js';
import { inMs } from './latency.js';

const ROWS_MAX = 120;

/** The event stream of one restaurant. Locations of one ride fold into one row that counts them. */
export class EventStream {
  #latency;
  #todaysNames;
  #rows = [];
  #list;
  #next = 0;
  #received = 0;
  #count;
  #paused;

  /** `latency` knows how long events took, `todaysNames` what today's applications call them. */
  constructor(restaurant, latency, todaysNames) {
    this.#latency = latency;
    this.#todaysNames = todaysNames;
    const list = el('ol', { class: 'events plain', 'aria-label': 'Events, newest first' });
    this.#list = new KeyedList(list, (row) => this.#row(row));
    this.#count = el('span', { class: 'count' }, '0');
    this.#paused = el('input', { type: 'checkbox', role: 'switch' });
    const name = `stream-${restaurant.id}`;
    this.element = el('section', { class: 'pane stream', 'data-role': 'stream', 'aria-labelledby': name },
      el('header', { class: 'pane-head' },
        el('h2', { id: name }, icon('stream'), 'Event stream', this.#count),
        el('label', { class: 'switch' }, el('span', {}, 'Hold still'), this.#paused)),
      el('div', { class: 'event event-head', 'aria-hidden': 'true' },
        ...['time', 'received by', 'event', 'order', 'from', 'latency'].map((title) => el('span', {}, title))),
      el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Received events' }, list));
  }

  /** Takes in one event that reached `seat`. */
  add(seat, message) {
    this.#received += 1;
    const orderId = message.payload?.orderId ?? '';
    const fold = message.type === 'delivery:location_updated';
    const row = fold && this.#rows.find((other) => other.type === message.type && other.to === seat.label && other.orderId === orderId);
    if (row) {
      row.times += 1;
      row.message = message;
      row.at = new Date();
      return;
    }
    this.#rows.unshift({
      key: this.#next, at: new Date(), to: seat.label, application: seat.application, type: message.type, orderId,
      source: message.source ?? '', message, times: 1,
    });
    this.#next += 1;
    if (this.#rows.length > ROWS_MAX) this.#rows.pop();
  }

  /** Shows what came, unless the person holds it still. */
  draw() {
    setText(this.#count, this.#received);
    if (!this.#paused.checked) this.#list.show(this.#rows, ({ key }) => key);
  }

  #row(first) {
    const time = el('span', { class: 'time' });
    const times = el('span', { class: 'times' });
    const latency = el('span', { class: 'latency' });
    const content = el('pre', { class: 'json', hidden: true, tabindex: 0, 'aria-label': `What ${first.type} says` });
    const toggle = el('button', {
      type: 'button', class: 'type', 'aria-expanded': 'false', title: 'Show the message',
      onclick: () => {
        content.hidden = !content.hidden;
        toggle.setAttribute('aria-expanded', String(!content.hidden));
        this.draw();
      },
    }, first.type, times);
    const today = this.#todaysNames[first.application]?.[first.type];
    const element = el('li', { class: 'event', 'data-type': first.type, 'data-to': first.to },
      time,
      el('span', { class: 'to', 'data-application': first.application }, first.to),
      toggle,
      el('span', { class: 'order' }, first.orderId && `#${first.orderId}`),
      el('span', { class: 'from soft' }, first.source),
      latency,
      today && el('span', { class: 'today soft' }, 'today\'s ', el('code', {}, today)),
      content);
    return {
      element,
      update: (row) => {
        setText(time, row.at.toTimeString().slice(0, 8));
        setText(times, row.times > 1 ? ` × ${row.times}` : '');
        setText(latency, inMs(this.#latency.of(row.message.id)));
        if (!content.hidden) setText(content, JSON.stringify(row.message, null, 2));
      },
    };
  }
}
