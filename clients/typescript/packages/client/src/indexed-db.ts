import { SeenTable } from './seen-table.js';
import type { ClientStorage, LiveSession, OutboxEntry, SessionState } from './storage.js';

const VERSION = 1;
/** How long sessions' states are gathered before they are written, in milliseconds. */
const WRITE_DELAY_MS = 50;

/** What IndexedDB does not have yet, in localStorage: that is written before the next event, and a reload does not overtake it. */
interface Journal {
  pid?: string | undefined;
  cursor?: string | undefined;
  handled: string[];
  owed: string[];
}

interface StoredEntry extends OutboxEntry {
  readonly key: string;
}

const answer = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const committed = (transaction: IDBTransaction): Promise<void> => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve();
  transaction.onerror = transaction.onabort = () => reject(transaction.error);
});

function open(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    const db = request.result;
    db.createObjectStore('texts');
    db.createObjectStore('sessions');
    db.createObjectStore('outbox', { keyPath: 'seq', autoIncrement: true }).createIndex('key', 'key');
    db.createObjectStore('done', { keyPath: 'effect' }).createIndex('at', 'at');
  };
  return answer(request).then((db) => {
    // A newer version of the page may change the database: this one lets go of it.
    db.onversionchange = () => db.close();
    return db;
  });
}

/** Keeps everything in IndexedDB: it survives reloads, and the tabs of one origin share it. */
export class IndexedDbStorage implements ClientStorage {
  readonly sharedAs: string;
  readonly #db: Promise<IDBDatabase>;
  readonly #unwritten = new Map<string, { session: LiveSession; handled: string[]; isNew: boolean }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `name`: the database's. `seenMax`: how many ids of events a session keeps. */
  constructor(private readonly name = 'foodtrack', private readonly seenMax = 4_096) {
    this.sharedAs = name;
    this.#db = open(name);
    // Whoever asks for something is told.
    this.#db.catch(() => {});
  }

  async deviceId(): Promise<string> {
    const store = await this.#store('texts', 'readwrite');
    const known = await answer<string | undefined>(store.get('device'));
    if (known !== undefined) return known;
    const made: string = crypto.randomUUID();
    await answer(store.put(made, 'device'));
    return made;
  }

  async recall(key: string): Promise<string | undefined> {
    return answer<string | undefined>((await this.#store('texts', 'readonly')).get(`text:${key}`));
  }

  async remember(key: string, value: string): Promise<void> {
    await answer((await this.#store('texts', 'readwrite')).put(value, `text:${key}`));
  }

  async loadSession(key: string): Promise<SessionState | undefined> {
    const stored = await answer<SessionState | undefined>((await this.#store('sessions', 'readonly')).get(key));
    const journal = this.#journal(key);
    if (!journal) return stored;
    const seen = new SeenTable(this.seenMax, stored?.seen);
    for (const id of journal.handled) seen.add(id);
    return { pid: journal.pid, cursor: journal.cursor, seen: seen.toArray(), owed: journal.owed };
  }

  saveSession(key: string, session: LiveSession, id?: string): void {
    const handled = this.#unwritten.get(key)?.handled ?? [];
    if (id !== undefined) handled.push(id);
    if (handled.length > this.seenMax) handled.shift();
    this.#unwritten.set(key, { session, handled, isNew: true });
    const { pid, cursor, owed } = session;
    const journal: Journal = { pid, cursor, handled, owed };
    this.#writeJournal(this.#journalName(key), JSON.stringify(journal));
    // Where it fails, the journal has it, and the next event tries again.
    this.#timer ??= setTimeout(() => this.flush().catch(() => {}), WRITE_DELAY_MS);
  }

  async enqueue(key: string, entry: Omit<OutboxEntry, 'seq'>, max: number): Promise<OutboxEntry | undefined> {
    const store = await this.#store('outbox', 'readwrite');
    if (await answer(store.index('key').count(key)) >= max) return undefined;
    const seq = await answer(store.add({ ...entry, key }));
    // Kept means: also when the machine goes down now.
    await committed(store.transaction);
    return { ...entry, seq: seq as number };
  }

  async nextEntry(key: string): Promise<OutboxEntry | undefined> {
    const store = await this.#store('outbox', 'readonly');
    const found = await answer<StoredEntry | undefined>(store.index('key').get(key));
    return found && { seq: found.seq, id: found.id, type: found.type, message: found.message };
  }

  async countEntries(key: string): Promise<number> {
    return answer((await this.#store('outbox', 'readonly')).index('key').count(key));
  }

  async removeEntry(_key: string, { seq }: OutboxEntry): Promise<void> {
    const store = await this.#store('outbox', 'readwrite');
    store.delete(seq);
    await committed(store.transaction);
  }

  async isDone(effect: string): Promise<boolean> {
    // A page that was reloaded before IndexedDB had it has left it in the journal.
    const isInJournal = this.#readJournal(this.#doneName(effect)) !== null;
    if (isInJournal) await this.#putDone(effect);
    return isInJournal || await answer((await this.#store('done', 'readonly')).getKey(effect)) !== undefined;
  }

  async markDone(effect: string, max: number): Promise<void> {
    // Before anything else can happen: a reload may overtake what follows.
    this.#writeJournal(this.#doneName(effect), '1');
    await this.#putDone(effect, max);
  }

  async #putDone(effect: string, max = Infinity): Promise<void> {
    const store = await this.#store('done', 'readwrite');
    await answer(store.put({ effect, at: Date.now() }));
    const over = await answer(store.count()) - max;
    if (over > 0) for (const oldest of await answer(store.index('at').getAllKeys(null, over))) store.delete(oldest);
    await committed(store.transaction);
    globalThis.localStorage?.removeItem(this.#doneName(effect));
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write(), () => this.#write());
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (const key of [...this.#unwritten.keys()]) {
      const store = await this.#store('sessions', 'readwrite');
      const entry = this.#unwritten.get(key);
      if (!entry) continue;
      const { session: { pid, cursor, seen, owed }, handled } = entry;
      const count = handled.length;
      entry.isNew = false;
      store.put({ pid, cursor, seen: seen.toArray(), owed } satisfies SessionState, key);
      await committed(store.transaction);
      // What came meanwhile stays in the journal.
      handled.splice(0, count);
      if (this.#unwritten.get(key)?.isNew === false) this.#unwritten.delete(key);
    }
  }

  #journal(key: string): Journal | undefined {
    try {
      return JSON.parse(this.#readJournal(this.#journalName(key)) ?? 'null') ?? undefined;
    } catch {
      return undefined;
    }
  }

  #writeJournal(name: string, text: string): void {
    try {
      globalThis.localStorage?.setItem(name, text);
    } catch {
      // Full, or forbidden: then only what IndexedDB has survives a reload.
    }
  }

  #readJournal(name: string): string | null {
    try {
      return globalThis.localStorage?.getItem(name) ?? null;
    } catch {
      return null;
    }
  }

  #journalName(key: string): string {
    return `${this.name}:${key}`;
  }

  #doneName(effect: string): string {
    return `${this.name}:done:${effect}`;
  }

  async #store(name: string, mode: IDBTransactionMode): Promise<IDBObjectStore> {
    return (await this.#db).transaction(name, mode).objectStore(name);
  }
}
