/** What a client keeps of its session. */
export interface SessionState {
  /** The session's private id: who has it can resume the session. */
  pid?: string | undefined;
  /** All events up to here are done. */
  cursor?: string | undefined;
  /** Ids of the newest events that are handled. */
  seen: string[];
  /** Those of them of which what happens once for the device is not done. */
  owed: string[];
}

/** The same while it changes. */
export interface LiveSession {
  readonly pid: string | undefined;
  readonly cursor: string | undefined;
  readonly seen: { toArray(): string[] };
  readonly owed: string[];
}

/** A message that waits to be sent. */
export interface OutboxEntry {
  /** Its place: the lowest is sent first. */
  readonly seq: number;
  /** The message's id; a repeat has the same, so that the hub knows it. */
  readonly id: string;
  readonly type: string;
  readonly message: Record<string, unknown>;
}

/** Where sessions, waiting messages and what was done once for a device are kept. */
export interface ClientStorage {
  /** A name by which the tabs that share the storage find each other; absent where it is one page's own. */
  readonly sharedAs?: string;
  /** This device's name; made by whoever asks first. */
  deviceId(): Promise<string>;
  /** A small text that is remembered, and was set by `remember`. */
  recall(key: string): Promise<string | undefined>;
  remember(key: string, value: string): Promise<void>;
  loadSession(key: string): Promise<SessionState | undefined>;
  /** Notes that `id` (if given) is handled, and where the session stands. Must not wait; `flush` does. */
  saveSession(key: string, session: LiveSession, id?: string): void;
  /** Answers the entry, or nothing where `max` entries wait already. */
  enqueue(key: string, entry: Omit<OutboxEntry, 'seq'>, max: number): Promise<OutboxEntry | undefined>;
  /** The entry that waits longest. */
  nextEntry(key: string): Promise<OutboxEntry | undefined>;
  countEntries(key: string): Promise<number>;
  removeEntry(key: string, entry: OutboxEntry): Promise<void>;
  /** Whether something was done for the device already. */
  isDone(effect: string): Promise<boolean>;
  /** Notes that it was; keeps the newest `max`. */
  markDone(effect: string, max: number): Promise<void>;
  /** Resolves when everything said so far is kept. */
  flush(): Promise<void>;
}

const randomId = (): string => crypto.randomUUID();

/** Keeps everything for as long as the page is there. */
export class MemoryStorage implements ClientStorage {
  readonly #device = randomId();
  readonly #texts = new Map<string, string>();
  readonly #sessions = new Map<string, LiveSession>();
  readonly #entries = new Map<string, OutboxEntry[]>();
  readonly #done = new Set<string>();
  #seq = 0;

  deviceId = async (): Promise<string> => this.#device;
  recall = async (key: string): Promise<string | undefined> => this.#texts.get(key);
  remember = async (key: string, value: string): Promise<void> => void this.#texts.set(key, value);
  saveSession = (key: string, session: LiveSession): void => void this.#sessions.set(key, session);
  flush = async (): Promise<void> => {};
  isDone = async (effect: string): Promise<boolean> => this.#done.has(effect);
  nextEntry = async (key: string): Promise<OutboxEntry | undefined> => this.#of(key)[0];
  countEntries = async (key: string): Promise<number> => this.#of(key).length;

  async loadSession(key: string): Promise<SessionState | undefined> {
    const session = this.#sessions.get(key);
    return session && { pid: session.pid, cursor: session.cursor, seen: session.seen.toArray(), owed: session.owed };
  }

  async enqueue(key: string, entry: Omit<OutboxEntry, 'seq'>, max: number): Promise<OutboxEntry | undefined> {
    const entries = this.#of(key);
    if (entries.length >= max) return undefined;
    this.#seq += 1;
    const kept = { ...entry, seq: this.#seq };
    entries.push(kept);
    return kept;
  }

  async removeEntry(key: string, { seq }: OutboxEntry): Promise<void> {
    this.#entries.set(key, this.#of(key).filter((entry) => entry.seq !== seq));
  }

  async markDone(effect: string, max: number): Promise<void> {
    this.#done.add(effect);
    for (const oldest of this.#done) {
      if (this.#done.size <= max) break;
      this.#done.delete(oldest);
    }
  }

  #of(key: string): OutboxEntry[] {
    let entries = this.#entries.get(key);
    if (!entries) this.#entries.set(key, entries = []);
    return entries;
  }
}
