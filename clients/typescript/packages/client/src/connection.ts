import type { Answer, Refusal } from '@foodtrack/websocket-contract';
import { type Socket, io } from 'socket.io-client';

import type { ConnectionState } from './connection-state.js';
import type { ClientLimits, ClientOptions } from './options.js';
import type { TokenSource } from './token.js';

/** How long before its end a token is renewed, in milliseconds; a fifth of its life where that is less. */
const RENEW_BEFORE_MS = 60_000;
/** setTimeout takes no longer ones. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
const UP_TO_DATE_MS = 250;

/** What a connection brings to the hub of the session that it resumes. */
export interface Resume {
  readonly deviceId: string;
  readonly pid: string | undefined;
  readonly cursor: string | undefined;
}

/** What a connection tells. */
export interface ConnectionEvents {
  state(state: ConnectionState): void;
  /** The session, and whether it is the one that was to be resumed. */
  connected(pid: string | undefined, recovered: boolean): void;
  disconnected(): void;
  event(type: string, args: unknown[]): void;
  error(error: unknown): void;
}

/** The socket, and what keeps it connected: refusals, tokens that end, waiting. */
export class Connection {
  readonly #socket: Socket;
  #pid: string | undefined;
  #attempt = 0;
  #isRefreshed = false;
  #refusal: Refusal | undefined;
  #isWanted = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #check: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly options: ClientOptions,
    private readonly limits: ClientLimits,
    private readonly token: TokenSource,
    private readonly resume: () => Resume,
    private readonly events: ConnectionEvents,
  ) {
    const socket = this.#socket = io(options.url, {
      transports: ['websocket', 'polling'],
      reconnectionDelay: limits.retryMs,
      reconnectionDelayMax: Math.min(5_000, limits.retryMsMax),
      ...options.socket,
      forceNew: true,
      autoConnect: false,
      auth: (give) => void this.#introduce(give),
    });
    // The session's private id is in the CONNECT packet alone.
    const packets = socket.io as unknown as { on(event: 'packet', listener: (packet: { type: number; data?: unknown }) => void): void };
    packets.on('packet', ({ type, data }) => {
      if (type === 0) this.#pid = (data as { pid?: string } | undefined)?.pid;
    });
    socket.io.on('reconnect_attempt', () => this.#connecting());
    socket.on('connect', () => this.#connected());
    socket.on('connect_error', (error: Error & { data?: Refusal }) => this.#failed(error));
    socket.on('disconnect', (reason) => this.#disconnected(reason));
    socket.onAny((type: string, ...args: unknown[]) => events.event(type, args));
  }

  get isConnected(): boolean {
    return this.#socket.connected;
  }

  connect(): void {
    this.#isWanted = true;
    this.#isRefreshed = false;
    this.#again();
  }

  close(): void {
    this.#isWanted = false;
    this.#clearTimers();
    this.#socket.disconnect();
  }

  /** Tears the connection, to come back and resume. */
  tear(): void {
    this.#socket.io.engine?.close();
  }

  /** Sends an event; rejects where nobody is there, or no answer comes in time. Never waits for a connection. */
  async ask<T>(type: string, argument?: unknown): Promise<Answer<T>> {
    if (!this.#socket.connected) throw new Error('not connected');
    const args = argument === undefined ? [] : [argument];
    return this.#socket.timeout(this.limits.answerMs).emitWithAck(type, ...args) as Promise<Answer<T>>;
  }

  /** What the hub says about the connection itself. */
  told(refusal: Refusal): void {
    if (refusal.code === 'token_expired') void this.#renew('expired');
    if (refusal.code === 'device_replaced') this.#refusal = refusal;
  }

  async #introduce(give: (auth: object) => void): Promise<void> {
    try {
      const token = await this.token.current();
      const { deviceId, pid, cursor } = this.resume();
      // What is undefined here hides the client library's own, which a page that was reloaded does not have.
      give({ token, application: this.options.application, deviceId, pid, offset: cursor });
    } catch (error) {
      this.events.error(error);
      this.#socket.disconnect();
      this.#wait('there is no token');
    }
  }

  #connecting(): void {
    this.#attempt += 1;
    this.events.state({ status: 'connecting', attempt: this.#attempt });
  }

  #connected(): void {
    const pid = this.#pid;
    const former = this.resume().pid;
    const recovered = pid !== undefined && pid === former;
    this.#attempt = 0;
    this.#isRefreshed = false;
    this.events.state({ status: 'catching_up', recovered });
    this.events.connected(pid, recovered);
    this.#scheduleRenewal();
    void this.#catchUp(recovered);
  }

  /** Everything that was missed comes before the answer that says so. */
  async #catchUp(recovered: boolean): Promise<void> {
    try {
      const answer = await this.ask<{ upToDate: boolean }>('health_check');
      if (answer.success && answer.data.upToDate) {
        if (this.#socket.connected) this.events.state({ status: 'live', recovered });
        return;
      }
    } catch {
      if (!this.#socket.connected) return;
    }
    this.#check = setTimeout(() => void this.#catchUp(recovered), UP_TO_DATE_MS);
  }

  #failed(error: Error & { data?: Refusal }): void {
    const refusal = error.data;
    if (this.#socket.active || refusal?.code === undefined) {
      this.events.state({ status: 'offline', reason: error.message });
      // The library tries again, unless it was the hub that said no.
      if (!this.#socket.active) this.#wait(error.message);
      return;
    }
    if (refusal.code === 'token_expired' && !this.#isRefreshed) {
      this.#isRefreshed = true;
      this.token.fresh('expired').then(() => this.#again(), (cause: unknown) => {
        this.events.error(cause);
        this.#isRefreshed = false;
        this.#wait('there is no token', refusal);
      });
      return;
    }
    if (refusal.number < 2_000) this.#wait(refusal.message, refusal);
    else this.events.state({ status: 'refused', refusal });
  }

  #disconnected(reason: string): void {
    this.#clearTimers();
    this.events.disconnected();
    if (!this.#isWanted) return;
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal) this.events.state({ status: 'replaced' });
    else if (this.#socket.active) this.events.state({ status: 'offline', reason });
    else this.#wait(reason);
  }

  /** Tries again later, where the library does not. */
  #wait(reason: string, refusal?: Refusal): void {
    if (!this.#isWanted) return;
    this.events.state({ status: 'offline', reason, ...(refusal && { refusal }) });
    const delay = Math.min(this.limits.retryMs * 2 ** this.#attempt, this.limits.retryMsMax);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#again(), Math.max(refusal?.retryAfterMs ?? 0, delay) * (1 + Math.random() / 4));
  }

  #again(): void {
    if (!this.#isWanted || this.#socket.connected) return;
    clearTimeout(this.#retry);
    this.#connecting();
    this.#socket.connect();
  }

  #scheduleRenewal(): void {
    clearTimeout(this.#renewal);
    const { expiresAt } = this.token.claims;
    if (expiresAt === undefined) return;
    const left = expiresAt - Date.now();
    const delay = Math.max(left - Math.min(RENEW_BEFORE_MS, left / 5), this.limits.retryMs);
    this.#renewal = setTimeout(() => void this.#renew('renew'), Math.min(delay, TIMEOUT_MS_MAX));
  }

  /** Shows the hub a fresh token, so that the connection stays. */
  async #renew(reason: 'renew' | 'expired'): Promise<void> {
    try {
      const token = await this.token.fresh(reason);
      const answer = await this.ask('authenticate', { token });
      if (!answer.success) throw new Error(answer.error.message);
    } catch (error) {
      // Where the connection has ended meanwhile, the next one brings the token.
      if (!this.#socket.connected) return;
      this.events.error(error);
    }
    this.#scheduleRenewal();
  }

  #clearTimers(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#renewal);
    clearTimeout(this.#check);
  }
}
