// Listening without a library: what `/events` brings, each event with its id, and what came while nobody listened.

import { KeyedList, el, setText } from './dom.js';
import { icon } from './icons.js';
import { Listener } from './listener.js';

const ROWS_MAX = 60;
const STATE_NAMES = {
  paused: 'not listening',
  connecting: 'connecting…',
  connected: 'listening',
  reconnecting: 'reconnecting…',
  refused: 'ended by the hub',
};
const HINT = 'GET /events, read by the browser\'s own EventSource. Pause it, let orders come, and resume: it goes on behind the last id.';

/** A stream of server-sent events that a person starts, pauses and resumes. */
export class ListenPane {
  #seats;
  #listener;
  #rows = [];
  #next = 0;
  #list;
  #seat;
  #button;
  #chip;
  #note;

  /** `eventTypes` are the names of events: an `EventSource` hears only what it was told to listen to. */
  constructor(restaurant, eventTypes) {
    this.#seats = restaurant.seats;
    this.#listener = new Listener({
      tenant: restaurant.id,
      eventTypes,
      who: restaurant.dashboard,
      onEvent: (event) => {
        this.#add(event);
        restaurant.onChange();
      },
      onState: () => restaurant.onChange(),
    });
    this.#seat = el('select', { name: 'as', 'aria-label': 'Who listens', onchange: () => this.#changeSeat() },
      this.#seats.map(({ label }, i) => el('option', { value: i }, label)));
    this.#seat.value = String(this.#seats.indexOf(restaurant.dashboard));
    this.#button = el('button', { type: 'button', class: 'primary', onclick: () => this.#toggle() }, 'Listen');
    this.#chip = el('span', { class: 'chip', 'data-state': 'paused' }, STATE_NAMES.paused);
    this.#note = el('p', { class: 'soft', role: 'status' }, HINT);
    const list = el('ol', { class: 'plain', 'aria-label': 'Events, newest first' });
    this.#list = new KeyedList(list, (row) => this.#row(row));
    const name = `listen-${restaurant.id}`;
    this.element = el('section', { class: 'pane listen', 'data-role': 'listen', 'aria-labelledby': name },
      el('header', { class: 'pane-head' }, el('h2', { id: name }, icon('stream'), 'Listen only'), this.#chip),
      el('div', { class: 'controls' }, this.#seat, this.#button),
      this.#note,
      el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'What the stream brought' }, list));
  }

  /** Shows how the stream is, and what it brought. */
  draw() {
    const { state, cursor, lastReturn } = this.#listener;
    this.#chip.dataset.state = state;
    setText(this.#chip, STATE_NAMES[state]);
    setText(this.#button, this.#listener.isOpen ? 'Pause' : cursor ? 'Resume' : 'Listen');
    setText(this.#note, this.#sentence(state, cursor, lastReturn));
    this.#list.show(this.#rows, ({ key }) => key);
  }

  #sentence(state, cursor, lastReturn) {
    if (!cursor) return HINT;
    if (state === 'paused') return `Paused behind ${cursor}. What comes now waits for this device.`;
    if (state === 'connected' && lastReturn) {
      const { events } = lastReturn;
      return `Went on behind ${lastReturn.cursor}: ${events === 1 ? '1 event' : `${events} events`} had come meanwhile.`;
    }
    return `The last id is ${cursor}.`;
  }

  #toggle() {
    if (this.#listener.isOpen) this.#listener.pause();
    else this.#listener.listen();
    this.draw();
  }

  #changeSeat() {
    const { isOpen } = this.#listener;
    this.#listener.choose(this.#seats[Number(this.#seat.value)]);
    this.#rows = [];
    if (isOpen) this.#listener.listen();
    this.draw();
  }

  #add({ message, id, missed }) {
    const orderId = message.payload?.orderId ?? '';
    const isLocation = message.type === 'delivery:location_updated';
    const same = isLocation && this.#rows.find((row) => row.type === message.type && row.orderId === orderId);
    if (same) {
      Object.assign(same, { id, times: same.times + 1 });
      return;
    }
    this.#rows.unshift({ key: this.#next, type: message.type, orderId, id, missed, at: new Date(message.timestamp), times: 1 });
    this.#next += 1;
    if (this.#rows.length > ROWS_MAX) this.#rows.pop();
  }

  #row(first) {
    const times = el('span', { class: 'times' });
    const id = el('code', { class: 'id' });
    const element = el('li', { 'data-type': first.type, 'data-order-id': first.orderId, 'data-missed': String(first.missed) },
      el('span', { class: 'type' }, first.type, times),
      el('span', { class: 'order' }, first.orderId && `#${first.orderId}`),
      el('span', { class: 'soft' }, 'id ', id),
      el('span', { class: 'time' }, first.missed ? 'meanwhile ' : '', first.at.toTimeString().slice(0, 8)));
    return {
      element,
      update: (row) => {
        setText(times, row.times > 1 ? ` × ${row.times}` : '');
        setText(id, row.id);
      },
    };
  }
}
