import type { Answer, PublishAnswer, Refusal } from '@foodtrack/websocket-contract';

import { PublishError } from './publish-error.js';
import type { ClientStorage, OutboxEntry } from './storage.js';
import { locksOf } from './tab-slot.js';

/** Sends one message and answers the hub's acknowledgement; rejects where none came in time. */
export type Send = (type: string, message: Record<string, unknown>) => Promise<Answer>;

/** What became of a message that waited: it was accepted, or it will never be. */
export type OutboxResult =
  | { readonly id: string; readonly type: string; readonly answer: PublishAnswer }
  | { readonly id: string; readonly type: string; readonly refusal: Refusal };

export interface OutboxOptions {
  /** How many messages may wait. */
  messagesMax: number;
  /** The pause after a first failure; doubled for each that follows. In milliseconds. */
  delayMs: number;
  delayMsMax: number;
}

type News = { added: true } | { result: OutboxResult };

interface Promised {
  promise?: Promise<PublishAnswer>;
  resolve(answer: PublishAnswer): void;
  reject(error: PublishError): void;
}

/**
 * Messages that must arrive. They are kept before anything else, sent one after the other in the order in which they were
 * published, and repeated with the same id until the hub says that it has them, or will never take them. Of several tabs one sends.
 */
export class Outbox {
  readonly #promised = new Map<string, Promised>();
  readonly #channel: BroadcastChannel | undefined;
  #wake: (() => void) | undefined;
  /** Whether something was added since the storage was looked at. */
  #isNew = false;
  #stop: AbortController | undefined;

  constructor(
    private readonly storage: ClientStorage,
    private readonly key: string,
    private readonly options: OutboxOptions,
    private readonly onResult: (result: OutboxResult) => void,
  ) {
    if (typeof BroadcastChannel === 'undefined' || !locksOf(storage)) return;
    this.#channel = new BroadcastChannel(this.#sharedName);
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => {
      if ('added' in data) this.#added();
      else this.#settle(data.result);
    };
  }

  /** Resolves once the hub has accepted the message. Who publishes an id that waits already waits with it. */
  publish(id: string, type: string, message: Record<string, unknown>): Promise<PublishAnswer> {
    const waiting = this.#promised.get(id)?.promise;
    if (waiting) return waiting;
    const promise = new Promise<PublishAnswer>((resolve, reject) => {
      // Before it is kept: another tab may be faster with the answer.
      this.#promised.set(id, { resolve, reject });
      this.storage.enqueue(this.key, { id, type, message }, this.options.messagesMax).then((entry) => {
        if (!entry) {
          this.#promised.delete(id);
          reject(new PublishError('outbox_full', `${this.options.messagesMax} messages wait already`));
          return;
        }
        this.#added();
        this.#channel?.postMessage({ added: true } satisfies News);
      }, (cause: unknown) => {
        this.#promised.delete(id);
        reject(new PublishError('not_kept', 'the message could not be kept', { cause }));
      });
    });
    const promised = this.#promised.get(id);
    if (promised) promised.promise = promise;
    return promise;
  }

  /** How many messages wait. */
  count(): Promise<number> {
    return this.storage.countEntries(this.key);
  }

  /** Sends what waits, for as long as the connection is there. */
  start(send: Send): void {
    this.stop();
    const stop = this.#stop = new AbortController();
    const run = () => this.#run(send, stop.signal);
    const locks = locksOf(this.storage);
    const running = locks ? locks.request(this.#sharedName, { signal: stop.signal }, run) : run();
    // Ended while it waited for its turn.
    running.catch(() => {});
  }

  /** The connection is gone. */
  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  close(): void {
    this.stop();
    this.#channel?.close();
    for (const { reject } of this.#promised.values()) {
      reject(new PublishError('closed', 'the client was closed; what waits is sent when it is there again'));
    }
    this.#promised.clear();
  }

  get #sharedName(): string {
    return `${this.storage.sharedAs}:outbox:${this.key}`;
  }

  async #run(send: Send, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#isNew = false;
      // Where the storage fails, it is asked again.
      const entry = await this.storage.nextEntry(this.key).catch(() => 'failed' as const);
      if (!entry) {
        await this.#pause(undefined, signal);
        continue;
      }
      const wait = entry === 'failed' ? 0 : await this.#try(send, entry).catch(() => 0);
      if (signal.aborted) return;
      if (wait === undefined) {
        failures = 0;
        continue;
      }
      const delay = Math.min(this.options.delayMs * 2 ** failures, this.options.delayMsMax);
      failures += 1;
      await this.#pause(Math.max(wait, delay * (0.75 + Math.random() / 2)), signal);
    }
  }

  /** Answers nothing once the message is settled, or how long to wait at least before it is tried again. Rejects without an answer. */
  async #try(send: Send, entry: OutboxEntry): Promise<number | undefined> {
    const answer = await send(entry.type, entry.message);
    const { id, type } = entry;
    if (!answer.success && answer.error.number < 3_000) return answer.error.retryAfterMs ?? 0;
    await this.storage.removeEntry(this.key, entry);
    const result: OutboxResult = answer.success ? { id, type, answer: answer.data } : { id, type, refusal: answer.error };
    this.#settle(result);
    this.#channel?.postMessage({ result } satisfies News);
    this.onResult(result);
    return undefined;
  }

  #settle(result: OutboxResult): void {
    const promised = this.#promised.get(result.id);
    if (!promised) return;
    this.#promised.delete(result.id);
    if ('answer' in result) promised.resolve(result.answer);
    else promised.reject(PublishError.of(result.refusal));
  }

  #added(): void {
    this.#isNew = true;
    this.#wake?.();
  }

  /** Until there is something new or, where milliseconds are given, until they are over: more messages are no reason to try earlier. */
  async #pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted || (ms === undefined && this.#isNew)) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(end, ms);
      if (ms === undefined) this.#wake = end;
      signal.addEventListener('abort', end);
    });
  }
}
