import {
  type ApplicationType, type MessagePriority, type PayloadOf, type PublishAnswer, type Refusal, type RoomAnswer, deliveryClasses,
} from '@foodtrack/websocket-contract';
import type { EncryptedPayload, PayloadKey } from '@foodtrack/websocket-contract/encryption';

import { Connection } from './connection.js';
import { type ConnectionState, isConnected } from './connection-state.js';
import { type Handler, Handlers, type Message } from './handlers.js';
import { Inbox } from './inbox.js';
import { IndexedDbStorage } from './indexed-db.js';
import { type ClientLimits, type ClientOptions, LIMITS } from './options.js';
import { Outbox, type OutboxResult } from './outbox.js';
import { PublishError } from './publish-error.js';
import { Rooms, type RoomKind } from './rooms.js';
import { type ClientStorage, MemoryStorage } from './storage.js';
import { type TabSlot, claimSlot, locksOf } from './tab-slot.js';
import { TokenSource } from './token.js';

/** How a handler takes part. */
export interface EventOptions {
  /** Watches without counting as somebody who handles the event: what waits for a handler waits on. */
  passive?: boolean;
  /**
   * Names an effect that must happen once for all tabs of this browser, such as `print-ticket`. Where the tab goes away before the
   * handler (or the promise that it returns) is done, another one runs it.
   */
  onceForDevice?: string;
}

/** How a message is published. */
export interface PublishOptions {
  /** A UUID of the sender's own; made where it is absent. */
  id?: string;
  target?: ApplicationType | ApplicationType[];
  priority?: MessagePriority;
  encrypted?: boolean;
  /** Sends it now or never: it does not wait in the outbox. So are events that the hub does not keep, a courier's places. */
  volatile?: boolean;
}

interface Prepared {
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly connection: Connection;
  readonly slot: TabSlot | undefined;
}

/** A connection to FoodTrack's hub on which each event is once in effect, and what is published arrives. */
export class FoodTrackClient {
  #storage: ClientStorage;
  readonly #limits: ClientLimits;
  readonly #token: TokenSource;
  readonly #handlers: Handlers;
  readonly #rooms: Rooms;
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  readonly #outboxListeners = new Set<(result: OutboxResult) => void>();
  #state: ConnectionState = { status: 'idle' };
  #preparing: Promise<Prepared> | undefined;
  #prepared: Prepared | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ClientOptions) {
    const { token, limits } = options;
    this.#limits = { ...LIMITS, ...limits };
    this.#storage = options.storage
      ?? (typeof indexedDB === 'undefined' ? new MemoryStorage() : new IndexedDbStorage('foodtrack', this.#limits.seenMax));
    this.#token = new TokenSource(typeof token === 'string' ? () => token : token);
    const { waitingMessagesMax: messagesMax, waitingMs: ageMax } = this.#limits;
    this.#handlers = new Handlers({ messagesMax, ageMax }, this.#onError);
    this.#rooms = new Rooms((type, id) => this.#askRoom(type, id), this.#onError);
  }

  /** Where the client is. Changes are new objects. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Connects, and stays connected until `close`. */
  connect(): void {
    if (this.#state.status === 'closed') throw new Error('the client was closed: make another one');
    clearTimeout(this.#retry);
    this.#prepare().then(({ connection }) => {
      if (this.#state.status !== 'closed') connection.connect();
    }, (error: unknown) => {
      if (this.#state.status === 'closed') return;
      this.#onError(error);
      this.#setState({ status: 'offline', reason: error instanceof Error ? error.message : String(error) });
      this.#retry = setTimeout(() => this.connect(), this.#limits.retryMsMax / 4);
    });
  }

  /** Closes the connection for good. What waits in the outbox is sent by the next client with the same storage. */
  async close(): Promise<void> {
    if (this.#state.status === 'closed') return;
    this.#setState({ status: 'closed' });
    clearTimeout(this.#retry);
    const prepared = await this.#preparing?.catch(() => undefined);
    prepared?.outbox.close();
    prepared?.connection.close();
    this.#handlers.clear();
    await this.#storage.flush();
    prepared?.slot?.release();
  }

  /**
   * Calls `handler` with every event of `type` (`*`: of every type), each once. What came before the first handler of its type waits
   * for it, within limits. An event is done when all its handlers have returned and their promises are settled: a page that is
   * reloaded before gets it again. Returns what detaches the handler.
   */
  on<T extends string>(type: T, handler: Handler<T>, options: EventOptions = {}): () => void {
    const { onceForDevice: effect, passive } = options;
    if (effect === undefined) return this.#handlers.add(type, handler as Handler<never>, passive ? 'passive' : 'active');
    const once: Handler<T> = (message) => this.#once(`${effect}:${message.id}`, () => handler(message));
    return this.#handlers.add(type, once as Handler<never>, 'once');
  }

  /** Calls `listener` when something that was missed is no longer kept: load the present state anew. */
  onGap(listener: Handler<'system:reconnection_required'>): () => void {
    return this.on('system:reconnection_required', (message) => {
      // The connection renews its token by itself, and nothing was missed.
      if (message.payload.reason !== 'token_expiring') return listener(message);
    });
  }

  /** Calls `listener` with each new state. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Calls `listener` with what became of messages from the outbox, those of former pages too. */
  onOutbox(listener: (result: OutboxResult) => void): () => void {
    this.#outboxListeners.add(listener);
    return () => void this.#outboxListeners.delete(listener);
  }

  /** How many messages wait to be sent. */
  async outboxCount(): Promise<number> {
    return (await this.#prepare()).outbox.count();
  }

  /**
   * Publishes an event, now or when there is a connection; it is kept meanwhile, and the order is kept too. Resolves once the hub has
   * accepted it. Rejects with `PublishError` where it never will.
   */
  async publish<T extends string>(
    type: T, payload: PayloadOf<T> | EncryptedPayload, options: PublishOptions = {},
  ): Promise<PublishAnswer> {
    const { volatile, id = crypto.randomUUID() as string, ...rest } = options;
    const message = { id, type, payload, ...rest };
    const { outbox, connection } = await this.#prepare();
    const isVolatile = volatile ?? (deliveryClasses as Record<string, string>)[type] === 'volatile';
    if (!isVolatile) return outbox.publish(id, type, message);
    if (!connection.isConnected) throw new PublishError('offline', 'there is no connection');
    const answer = await connection.ask<PublishAnswer>(type, message).catch((cause: unknown) => {
      throw new PublishError('unanswered', 'no answer came in time', { cause });
    });
    if (!answer.success) throw PublishError.of(answer.error);
    return answer.data;
  }

  /** Joins a room, now and after every reconnection. Returns what leaves it; who joins twice leaves twice. */
  join(kind: RoomKind, id: string): () => void {
    return this.#rooms.join(kind, id);
  }

  /**
   * The tenant's key of payloads, for `PayloadCipher`: the newest, or the one of this name. Waits for a connection, and rejects where
   * the hub refuses it.
   */
  async payloadKey(kid?: string): Promise<PayloadKey> {
    const { connection } = await this.#prepare();
    while (this.#state.status !== 'closed') {
      const answer = await connection.ask<PayloadKey>('payload_key', kid === undefined ? {} : { kid }).catch(() => undefined);
      if (answer?.success) return answer.data;
      if (answer && answer.error.retryAfterMs === undefined) throw PublishError.of(answer.error);
      await new Promise((resolve) => void setTimeout(resolve, answer?.error.retryAfterMs ?? this.#limits.retryMs));
    }
    throw new PublishError('closed', 'the client was closed');
  }

  readonly #onError = (error: unknown): void => {
    if (this.options.onError) this.options.onError(error);
    else console.error(error);
  };

  #setState(state: ConnectionState): void {
    if (this.#state.status === 'closed') return;
    this.#state = state;
    for (const listener of [...this.#stateListeners]) listener(state);
  }

  #prepare(): Promise<Prepared> {
    this.#preparing ??= this.#makeParts().catch((error: unknown) => {
      this.#preparing = undefined;
      throw error;
    });
    return this.#preparing;
  }

  async #makeParts(): Promise<Prepared> {
    const { application } = this.options;
    if (!this.options.storage) await this.#checkStorage();
    const account = await this.#account();
    const slot = this.options.deviceId === undefined
      ? await claimSlot(`${this.#storage.sharedAs}:tab:${application}:${account}`, locksOf(this.#storage))
      : undefined;
    const device = this.options.deviceId ?? await this.#storage.deviceId();
    const deviceId = slot && slot.number > 1 ? `${device}.${slot.number}` : device;
    const inbox = await Inbox.load(this.#storage, `${account}:${application}:${deviceId}`, {
      limits: this.#limits,
      decrypt: this.options.decrypt,
      deliver: (message, settle, isAgain) => this.#handlers.deliver(message, settle, isAgain),
      onError: this.#onError,
      onOverflow: () => this.#prepared?.connection.tear(),
    });
    const { outboxMessagesMax: messagesMax, retryMs: delayMs, retryMsMax: delayMsMax } = this.#limits;
    const outbox = new Outbox(this.#storage, `${account}:${application}`, { messagesMax, delayMs, delayMsMax }, (result) => {
      for (const listener of [...this.#outboxListeners]) listener(result);
    });
    const resume = () => ({ deviceId, pid: inbox.pid, cursor: inbox.cursor });
    const connection: Connection = new Connection(this.options, this.#limits, this.#token, resume, {
      state: (state) => this.#setState(state),
      connected: (pid, recovered) => {
        inbox.setSession(pid);
        this.#rooms.connected(recovered);
        outbox.start((type, message) => connection.ask(type, message));
      },
      disconnected: () => outbox.stop(),
      event: (type, args) => this.#receive(inbox, connection, type, args),
      error: this.#onError,
    });
    return this.#prepared = { inbox, outbox, connection, slot };
  }

  /** A browser may have IndexedDB and forbid it: then everything is kept in memory. */
  async #checkStorage(): Promise<void> {
    try {
      await this.#storage.deviceId();
    } catch (error) {
      this.#onError(error);
      this.#storage = new MemoryStorage();
    }
  }

  /** Whose what is stored is. */
  async #account(): Promise<string> {
    if (this.options.account !== undefined) return this.options.account;
    const remembered = `account:${this.options.application}`;
    try {
      await this.#token.current();
    } catch (error) {
      // A page that starts offline goes on as who was there last.
      const last = await this.#storage.recall(remembered);
      if (last === undefined) throw error;
      return last;
    }
    const { tenantId = '', userId = '' } = this.#token.claims;
    const account = `${tenantId}:${userId}`;
    await this.#storage.remember(remembered, account);
    return account;
  }

  #receive(inbox: Inbox, connection: Connection, type: string, args: unknown[]): void {
    const acknowledge = typeof args.at(-1) === 'function' ? args.pop() as () => void : undefined;
    const message = args[0] as Message | undefined;
    // Answers to control events are events too, and no messages.
    if (typeof message !== 'object' || message === null || typeof message.id !== 'string' || message.type !== type) return;
    const cursor = args.length > 1 && typeof args.at(-1) === 'string' ? args.at(-1) as string : undefined;
    if (type === 'system:error') connection.told(message.payload as Refusal);
    inbox.take({ message, cursor, acknowledge });
  }

  async #askRoom(type: string, id: string): Promise<Refusal | undefined> {
    if (!isConnected(this.#state) || !this.#prepared) return undefined;
    const answer = await this.#prepared.connection.ask<RoomAnswer>(type, id);
    return answer.success ? undefined : answer.error;
  }

  async #once(effect: string, run: () => unknown): Promise<void> {
    const unlessDone = async () => {
      if (await this.#storage.isDone(effect)) return;
      await run();
      await this.#storage.markDone(effect, this.#limits.effectsMax);
    };
    const locks = locksOf(this.#storage);
    // A tab that goes away lets go of the lock, and who waits for it finds the effect not done.
    await (locks ? locks.request(`${this.#storage.sharedAs}:effect:${effect}`, unlessDone) : unlessDone());
  }
}

/** A client; `connect()` starts it. */
export const createClient = (options: ClientOptions): FoodTrackClient => new FoodTrackClient(options);
