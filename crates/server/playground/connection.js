// One application's connection to the hub: an unmodified socket.io-client, and what the page wants to know of it.
/* global io */

import { uuid } from './ids.js';
import { freshToken } from './token.js';

/** How long an acknowledgement may take, in milliseconds. */
const ACK_TIMEOUT_MS = 8_000;
/** How often the hub is asked, at most, before its last answer stands. */
const ATTEMPTS_MAX = 12;
/** Pause before connecting again after a refused handshake, in milliseconds. */
const REFUSED_PAUSE_MS = 2_000;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A connection of one user, in one application, of one tenant.
 *
 * `onMessage(message)` is called for every event received, `onState()` when the line's state changes, `onTaken(id)` when an event that
 * was sent is in the log.
 */
export class Connection {
  /** `connecting`, `connected`, `reconnecting` or `refused`. */
  state = 'connecting';
  /** `websocket` or `polling` while connected, else the empty string. */
  transport = '';
  /** How long the last outage took, in milliseconds, and whether the hub resumed the session; `null` before the first. */
  lastOutage = null;
  /** Events received that name this connection's tenant, and events that name another one. */
  own = 0;
  foreign = 0;
  /** Why the last handshake was refused, where it was. */
  refusal = '';

  #socket;
  #onTaken;
  #wasConnected = false;
  #lostAt = 0;

  constructor({ tenant, application, user, onMessage, onState, onTaken }) {
    this.#onTaken = onTaken;
    Object.assign(this, { tenant, application, user });
    this.#socket = io({
      transports: ['websocket', 'polling'],
      forceNew: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 4_000,
      auth: (answer) => {
        freshToken(tenant, application, user).then(
          (token) => answer({ token, application }),
          () => answer({ application }),
        );
      },
    });
    this.#watch(onState);
    this.#socket.onAny((name, message) => {
      if (message === null || typeof message !== 'object') return;
      if (message.tenantId === tenant) this.own += 1;
      else if (message.tenantId !== undefined) this.foreign += 1;
      onMessage({ ...message, type: name });
    });
  }

  /** Whether the line is up and the hub has let this user in. */
  get connected() {
    return this.state === 'connected';
  }

  #watch(onState) {
    const socket = this.#socket;
    const become = (state) => {
      this.state = state;
      const engine = socket.io.engine;
      this.transport = state === 'connected' ? (engine?.transport?.name ?? '') : '';
      onState();
    };
    socket.on('connect', () => {
      this.refusal = '';
      if (this.#wasConnected) {
        this.lastOutage = {
          outageMs: performance.now() - this.#lostAt,
          resumed: socket.recovered,
        };
      }
      this.#wasConnected = true;
      socket.io.engine.once('upgrade', () => become(this.state));
      become('connected');
    });
    socket.on('disconnect', (reason) => {
      this.#lostAt = performance.now();
      become('reconnecting');
      // The one case in which the library stays away by itself.
      if (reason === 'io server disconnect') this.#connectLater();
    });
    socket.on('connect_error', (error) => {
      if (socket.active) {
        become(this.#wasConnected ? 'reconnecting' : 'connecting');
        return;
      }
      this.refusal = error.data?.message ?? error.message;
      become('refused');
      this.#connectLater();
    });
  }

  async #connectLater() {
    await wait(REFUSED_PAUSE_MS);
    if (!this.#socket.connected) this.#socket.connect();
  }

  /** Sends an event and answers its acknowledgement, as `ask` does. A repeat keeps the id, so the hub takes it once. */
  async send(type, payload) {
    const answer = await this.ask(type, { id: uuid(), type, payload });
    if (answer.success && answer.data?.offset !== undefined) this.#onTaken(answer.data.id);
    return answer;
  }

  /** Sends an event that may be lost, and nobody answers for. */
  sendVolatile(type, payload) {
    this.#socket.volatile.emit(type, { id: uuid(), type, payload });
  }

  /**
   * Emits `name` with `argument` and answers the acknowledgement, `{ success, data }` or `{ success: false, error }`.
   *
   * A lost line, and every refusal whose number says that the same may succeed later, is met by asking again.
   */
  async ask(name, argument) {
    let answer;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      answer = await this.askOnce(name, argument);
      const { number = 0, code, retryAfterMs } = answer.error ?? {};
      const mayRetry = code === 'line_lost' || (number >= 1000 && number < 2000);
      if (!mayRetry) return answer;
      await wait(retryAfterMs ?? 250 * attempt);
    }
    return answer;
  }

  /** As `ask`, but a refusal stands, whatever it is. */
  async askOnce(name, argument) {
    try {
      return await this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, argument);
    } catch (cause) {
      return { success: false, error: { code: 'line_lost', message: String(cause.message) } };
    }
  }

  /** Closes the engine under the socket, as a tunnel or a dead radio would; the library comes back by itself. */
  cut() {
    this.#socket.io.engine.close();
  }
}
