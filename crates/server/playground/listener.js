// One who only listens: the browser's own EventSource on `/events`, which can be paused and goes on where it was.

import { shortCode } from './ids.js';
import { freshToken } from './token.js';

/** The first event of every stream. */
const GREETING = 'system:connection_established';
/** The hub has ended the stream for good; an EventSource would come again. */
const END = 'end';

/**
 * A stream of events for one user of one application.
 *
 * `onEvent({ message, id, missed })` is called for every event: `id` is its cursor, `missed` whether it came while nobody listened.
 * `onState()` is called when `state` changes.
 */
export class Listener {
  /** `paused`, `connecting`, `connected`, `reconnecting` or `refused`. */
  state = 'paused';
  /** The id of the last event: where the stream goes on. Empty before the first. */
  cursor = '';
  /** Where the stream went on last, and how many events had come meanwhile; `null` before it did. */
  lastReturn = null;

  #tenant;
  #eventTypes;
  #onEvent;
  #onState;
  #source = null;
  #attempt = 0;
  #who;
  #deviceId;
  #greetedAtMs = 0;

  constructor({ tenant, eventTypes, who, onEvent, onState }) {
    this.#tenant = tenant;
    this.#eventTypes = eventTypes;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.choose(who);
  }

  /** Whether it listens, or tries to. */
  get isOpen() {
    return this.state === 'connecting' || this.state === 'connected' || this.state === 'reconnecting';
  }

  /** Is somebody else from now on (`{ application, user }`), who has heard nothing; does not listen yet. */
  choose(who) {
    this.#close();
    this.#who = who;
    this.#deviceId = `screen-${shortCode(6)}`;
    this.cursor = '';
    this.lastReturn = null;
    this.state = 'paused';
  }

  /** Listens, from where it was. */
  async listen() {
    this.#close();
    const attempt = this.#attempt;
    this.#become('connecting');
    const token = await freshToken(this.#tenant, this.#who.application, this.#who.user).catch(() => null);
    if (attempt !== this.#attempt) return;
    if (token === null) this.#become('refused');
    else this.#open(token);
  }

  /** Stops listening. The hub keeps what comes for this device. */
  pause() {
    this.#close();
    this.#become('paused');
  }

  #open(token) {
    const query = new URLSearchParams({ token, deviceId: this.#deviceId });
    // A new EventSource sends no Last-Event-ID: the id goes into the address. When it comes back by itself it sends one, which counts.
    if (this.cursor) query.set('cursor', this.cursor);
    const source = new EventSource(new URL(`../events?${query}`, import.meta.url));
    this.#source = source;
    source.addEventListener('open', () => this.#become('connected'));
    source.addEventListener('error', () => {
      if (this.#source !== source) return;
      this.#become(source.readyState === EventSource.CLOSED ? 'refused' : 'reconnecting');
    });
    source.addEventListener(END, () => {
      this.#close();
      this.#become('refused');
    });
    for (const type of this.#eventTypes) source.addEventListener(type, (event) => this.#take(type, event));
  }

  #take(type, { data, lastEventId }) {
    const message = { ...JSON.parse(data), type };
    const sentAtMs = Date.parse(message.timestamp);
    if (type === GREETING) {
      if (this.cursor) this.lastReturn = { cursor: this.cursor, events: 0 };
      this.#greetedAtMs = sentAtMs;
    }
    // Both times are the hub's.
    const missed = this.lastReturn !== null && sentAtMs < this.#greetedAtMs;
    if (missed) this.lastReturn.events += 1;
    this.cursor = lastEventId;
    this.#onEvent({ message, id: lastEventId, missed });
  }

  #close() {
    this.#attempt += 1;
    this.#source?.close();
    this.#source = null;
  }

  #become(state) {
    this.state = state;
    this.#onState();
  }
}
