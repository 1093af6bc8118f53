import { type Cursor, deliveryClasses, parseCursor } from '@foodtrack/websocket-contract';

import type { Message, Settle } from './handlers.js';
import type { ClientLimits } from './options.js';
import { Progress } from './progress.js';
import { SeenTable } from './seen-table.js';
import type { ClientStorage } from './storage.js';

/** An event as it came. */
export interface Arrival {
  readonly message: Message;
  /** What came with it; events that ask for an acknowledgement have none. */
  readonly cursor: string | undefined;
  readonly acknowledge: (() => void) | undefined;
}

export interface InboxParts {
  readonly limits: Pick<ClientLimits, 'seenMax' | 'inboxMessagesMax'>;
  readonly decrypt: ((message: Message) => unknown) | undefined;
  readonly deliver: (message: Message, settle: Settle, isAgain: boolean) => void;
  readonly onError: (error: unknown) => void;
  /** More waits than may: what comes is passed over until the connection was made anew. */
  readonly onOverflow: () => void;
}

/**
 * What comes in: each event once, in its order. Knows a repeat by its id, and by its cursor where the id is forgotten; keeps what is
 * done, so that the next page knows too.
 */
export class Inbox {
  readonly #underway = new Set<string>();
  #arrivals: Arrival[] = [];
  #isDecrypting = false;
  #highest: Cursor | undefined;
  /** The log that was told to be a new one. */
  #told: string | undefined;

  /** The inbox of a session, as the last page left it. */
  static async load(storage: ClientStorage, key: string, parts: InboxParts): Promise<Inbox> {
    const kept = await storage.loadSession(key);
    const { seenMax } = parts.limits;
    const seen = new SeenTable(seenMax, kept?.seen);
    return new Inbox(storage, key, parts, kept?.pid, new Progress(kept?.cursor), seen, new Set(kept?.owed));
  }

  private constructor(
    private readonly storage: ClientStorage,
    private readonly key: string,
    private readonly parts: InboxParts,
    public pid: string | undefined,
    private readonly progress: Progress,
    readonly seen: SeenTable,
    /** Events that the page before had handled, but for what happens once for the device. */
    private readonly stillOwed: Set<string>,
  ) {
    this.#highest = parseCursor(progress.cursor);
  }

  /** Where a connection resumes. */
  get cursor(): string | undefined {
    return this.progress.cursor;
  }

  /** Events that are handled, but for what happens once for the device. */
  get owed(): string[] {
    return [...this.stillOwed, ...[...this.#underway].filter((id) => this.seen.has(id) && !this.stillOwed.has(id))];
  }

  /** The connection has this session. */
  setSession(pid: string | undefined): void {
    this.pid = pid;
    this.storage.saveSession(this.key, this);
  }

  take(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    if (this.#arrivals.length > this.parts.limits.inboxMessagesMax) {
      // They come again: the cursor has not passed them.
      this.#arrivals = [];
      this.parts.onOverflow();
      return;
    }
    this.#proceed();
  }

  #proceed(): void {
    while (!this.#isDecrypting) {
      const arrival = this.#arrivals.shift();
      if (!arrival) return;
      const { message, cursor, acknowledge } = arrival;
      if (this.#underway.has(message.id)) continue;
      const place = parseCursor(cursor);
      if (this.#isAnew(message, place)) {
        this.progress.reset();
        this.#highest = undefined;
        this.#told = place?.epoch;
        if (!isReset(message)) this.#tellReset(message);
      } else if (isReset(message)) {
        // It was told already.
        acknowledge?.();
        continue;
      }
      const isAgain = this.stillOwed.has(message.id);
      if (!isAgain && (this.seen.has(message.id) || this.#isBehind(arrival))) {
        acknowledge?.();
        continue;
      }
      const isKept = isLogged(message.type);
      if (isKept) {
        this.#underway.add(message.id);
        this.progress.take(message.id, cursor);
        this.#raise(place);
      }
      const settle: Settle = {
        handled: () => {
          if (isKept) this.#handled(message);
        },
        done: () => {
          if (isKept) this.#done(message);
          acknowledge?.();
        },
      };
      if (message.encrypted && this.parts.decrypt) void this.#decrypt(this.parts.decrypt, message, settle, isAgain);
      else this.parts.deliver(message, settle, isAgain);
    }
  }

  async #decrypt(decrypt: (message: Message) => unknown, message: Message, settle: Settle, isAgain: boolean): Promise<void> {
    this.#isDecrypting = true;
    try {
      const payload = await decrypt(message);
      this.parts.deliver({ ...message, payload, encrypted: false }, settle, isAgain);
    } catch (error) {
      this.parts.onError(error);
      // It would not read the next time either.
      settle.handled();
      settle.done();
    }
    this.#isDecrypting = false;
    this.#proceed();
  }

  #handled({ id }: Message): void {
    this.seen.add(id);
    this.storage.saveSession(this.key, this, id);
  }

  #done({ id }: Message): void {
    this.#underway.delete(id);
    this.stillOwed.delete(id);
    this.progress.finish(id);
    this.storage.saveSession(this.key, this);
  }

  /** Whether the hub's log was started anew: the hub says so, or what comes has another epoch than what came before. */
  #isAnew(message: Message, place: Cursor | undefined): boolean {
    if (isReset(message)) return place === undefined || place.epoch !== this.#told;
    return place !== undefined && this.#highest !== undefined && place.epoch !== this.#highest.epoch;
  }

  /** The hub may have lost so much that it does not know that somebody was there before. */
  #tellReset(message: Message): void {
    const payload = { reason: 'reset', message: 'the log was started anew since you were here: load the present state anew' };
    const reset = { ...message, id: crypto.randomUUID(), type: 'system:reconnection_required', source: 'system', payload } as const;
    this.parts.deliver(reset, { handled: () => {}, done: () => {} }, false);
  }

  #raise(place: Cursor | undefined): void {
    const highest = this.#highest;
    if (place && !(highest?.epoch === place.epoch && highest.through > place.through)) this.#highest = place;
  }

  /** Whether the cursor says that it came before. What overtook another, or asks for an acknowledgement, is known by its id alone. */
  #isBehind({ message, cursor, acknowledge }: Arrival): boolean {
    if (acknowledge || !isLogged(message.type) || message.type.startsWith('system:')) return false;
    const place = parseCursor(cursor);
    const highest = this.#highest;
    if (!place || !highest || place.beyond.length > 0) return false;
    return place.epoch === highest.epoch && place.through < highest.through;
  }
}

/** Whether an event has a place in the log; what has none never comes again. A gap must reach the application all the same. */
const isLogged = (type: string): boolean =>
  type === 'system:reconnection_required' || (deliveryClasses as Record<string, string>)[type] !== 'volatile';

/** Whether the hub's log was started anew: places of before mean nothing any more. */
const isReset = ({ type, payload }: Message): boolean =>
  type === 'system:reconnection_required' && (payload as { reason?: string }).reason === 'reset';
