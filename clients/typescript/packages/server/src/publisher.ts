import { randomUUID } from 'node:crypto';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import type { OutgoingMessage, PublishAnswer } from '@foodtrack/websocket-contract';

import { HubError, type Problem, isProblem } from './hub-error.js';
import { HubHttp, type HubOptions } from './hub-http.js';

/** An event to publish; of a type that a tenant declared, with whatever payload its schema asks for. */
export type PublishableMessage = OutgoingMessage | (OutgoingMessage<string> & { type: string; payload: object });

/** What became of one event of a batch. */
export type PublishOutcome = { success: true; data: PublishAnswer } | { success: false; error: HubError };

/** How events are gathered, kept and repeated. */
export interface PublisherOptions extends HubOptions {
  /** How many events go in one request: 50 where absent, at most 1 000. */
  batchEventsMax?: number;
  /** How many bytes of events go in one request: 900 000 where absent. The hub's own bound is `limits.payloadBytesMax`. */
  batchBytesMax?: number;
  /** How many events may be here unanswered: 10 000 where absent. */
  bufferEventsMax?: number;
  /** How many bytes of events may be here unanswered: 32 MiB where absent. */
  bufferBytesMax?: number;
  /** Where the buffer is full, `publish` rejects with `buffer_full`, or waits for room: up to `bufferEventsMax` calls, then it rejects. */
  whenFull?: 'wait' | 'reject';
  /** How long the first event of a batch waits for others, in milliseconds; 0 gathers what is published in one turn of the loop. */
  lingerMs?: number;
  /** For how long an event is repeated before its promise rejects, in milliseconds: 5 minutes where absent. */
  giveUpMs?: number;
  /** The pause after a first failure, doubled for each that follows, in milliseconds: 200 where absent. */
  retryMs?: number;
  /** 10 000 where absent. */
  retryMsMax?: number;
  /** How long `close` waits for answers, in milliseconds: 10 000 where absent. */
  closeMs?: number;
}

interface Entry {
  readonly json: string;
  readonly bytes: number;
  readonly sinceMs: number;
  resolve(answer: PublishAnswer): void;
  reject(error: unknown): void;
}

const BATCH_EVENTS_MAX = 1_000;
const DEFAULTS = {
  batchEventsMax: 50,
  batchBytesMax: 900_000,
  bufferEventsMax: 10_000,
  bufferBytesMax: 32 * 1_024 * 1_024,
  whenFull: 'wait' as 'wait' | 'reject',
  lingerMs: 0,
  giveUpMs: 300_000,
  retryMs: 200,
  retryMsMax: 10_000,
  closeMs: 10_000,
};

/** Publishes one event, without a repeat. */
export async function publish(hub: HubOptions | HubHttp, event: PublishableMessage): Promise<PublishAnswer> {
  const http = hub instanceof HubHttp ? hub : new HubHttp(hub);
  return (await http.call<PublishAnswer>('POST', '/api/v1/publish', { body: JSON.stringify(event) })).data;
}

/** Publishes up to 1 000 events in their order, without a repeat; each has its own outcome. */
export async function publishBatch(hub: HubOptions | HubHttp, events: readonly PublishableMessage[]): Promise<PublishOutcome[]> {
  const http = hub instanceof HubHttp ? hub : new HubHttp(hub);
  return sendBatch(http, events.map((event) => JSON.stringify(event)));
}

async function sendBatch(http: HubHttp, events: readonly string[], signal?: AbortSignal): Promise<PublishOutcome[]> {
  const body = `{"events":[${events.join(',')}]}`;
  type Item = { success: true; data: PublishAnswer } | Problem;
  const { data } = await http.call<Item[]>('POST', '/api/v1/publish/batch', { body, signal });
  if (!Array.isArray(data) || data.length !== events.length) {
    throw new HubError('unexpected_answer', `the hub answered a batch of ${events.length} events with something else`);
  }
  return data.map((item) => (isProblem(item) ? { success: false, error: HubError.of(item) } : item));
}

/**
 * Publishes for one tenant, whose service token it has: gathers events into batches in their order, one batch at a time, and
 * repeats what may succeed later under the same id until it is answered. An id is made before the first attempt, so an event
 * that was taken before its answer was lost is answered as a `duplicate`, and is delivered once.
 *
 * Events reach the hub in the order of their `publish`, but for one: an event that the hub refuses for the moment (a rate)
 * comes behind those of its batch that it took.
 */
export class Publisher {
  readonly #http: HubHttp;
  readonly #options: typeof DEFAULTS;
  #queue: Entry[] = [];
  /** Calls that wait for room, first come first. */
  #waiting: { json: string; bytes: number; resolve(answer: Promise<PublishAnswer>): void; reject(error: HubError): void }[] = [];
  /** Of all calls that are not settled. */
  readonly #promises = new Set<Promise<PublishAnswer>>();
  #count = 0;
  #bytes = 0;
  #isSending = false;
  #isClosed = false;
  readonly #stop = new AbortController();

  constructor(options: PublisherOptions) {
    this.#http = new HubHttp(options);
    const said = Object.entries(options).filter(([key, value]) => key in DEFAULTS && value !== undefined);
    this.#options = { ...DEFAULTS, ...Object.fromEntries(said) };
    const { batchEventsMax } = this.#options;
    if (!Number.isInteger(batchEventsMax) || batchEventsMax < 1 || batchEventsMax > BATCH_EVENTS_MAX) {
      throw new RangeError(`batchEventsMax must be a whole number from 1 to ${BATCH_EVENTS_MAX}`);
    }
  }

  /** How many events are unanswered, those that wait for room among them. */
  get pending(): number {
    return this.#promises.size;
  }

  /**
   * Resolves once the hub has taken the event.
   *
   * @throws HubError where the hub will never take it, the buffer is full, `giveUpMs` is over, or the publisher was closed;
   * TypeError where the event is no JSON.
   */
  publish(event: PublishableMessage): Promise<PublishAnswer> {
    const answer = this.#take(event);
    this.#promises.add(answer);
    const forget = () => { this.#promises.delete(answer); };
    answer.then(forget, forget);
    return answer;
  }

  /** Like `publish` of each, in their order; never rejects. */
  async publishBatch(events: readonly PublishableMessage[]): Promise<PublishOutcome[]> {
    return Promise.all(events.map((event) => this.publish(event).then(
      (data): PublishOutcome => ({ success: true, data }),
      (error: unknown): PublishOutcome => ({
        success: false,
        error: error instanceof HubError ? error : new HubError('message_malformed', String(error), {}, { cause: error }),
      }),
    )));
  }

  /** Resolves once everything that was published before is answered, well or not. */
  async flush(): Promise<void> {
    await Promise.allSettled([...this.#promises]);
  }

  /** Takes no more, waits up to `closeMs` for answers; what is unanswered then rejects with `closed`, and may have been published. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const one of this.#waiting.splice(0)) one.reject(new HubError('closed', 'the publisher was closed before there was room'));
    const over = new AbortController();
    const wait = sleep(this.#options.closeMs, undefined, { signal: over.signal, ref: false });
    wait.then(() => this.#stop.abort(), () => undefined);
    await this.flush();
    over.abort();
  }

  async #take(event: PublishableMessage): Promise<PublishAnswer> {
    if (this.#isClosed) throw new HubError('closed', 'the publisher is closed');
    const json = JSON.stringify({ ...event, id: event.id ?? randomUUID() });
    const bytes = Buffer.byteLength(json);
    if (this.#hasRoom(bytes) && this.#waiting.length === 0) return this.#add(json, bytes);
    const { whenFull, bufferEventsMax } = this.#options;
    if (whenFull === 'reject' || this.#waiting.length >= bufferEventsMax) {
      throw new HubError('buffer_full', `${this.#count} events are unanswered; publish again when there are fewer`);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ json, bytes, resolve, reject }));
  }

  #hasRoom(bytes: number): boolean {
    const { bufferEventsMax, bufferBytesMax } = this.#options;
    return this.#count === 0 || (this.#count < bufferEventsMax && this.#bytes + bytes <= bufferBytesMax);
  }

  #add(json: string, bytes: number): Promise<PublishAnswer> {
    this.#count += 1;
    this.#bytes += bytes;
    const answer = new Promise<PublishAnswer>((resolve, reject) => {
      this.#queue.push({ json, bytes, sinceMs: Date.now(), resolve, reject });
    });
    if (!this.#isSending) void this.#send();
    return answer.finally(() => {
      this.#count -= 1;
      this.#bytes -= bytes;
      this.#letIn();
    });
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      next.resolve(this.#add(next.json, next.bytes));
    }
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    let failures = 0;
    await (this.#options.lingerMs > 0 ? sleep(this.#options.lingerMs) : turn());
    while (this.#queue.length > 0) {
      const batch = this.#oldest();
      const again = await this.#attempt(batch);
      if (again === undefined) {
        failures = 0;
        continue;
      }
      const kept = again.entries.filter((entry) => this.#isKept(entry, again.error));
      this.#queue = [...kept, ...this.#queue];
      if (kept.length === 0) continue;
      if (kept.length < batch.length) failures = 0;
      const pause = Math.min(this.#options.retryMs * 2 ** failures, this.#options.retryMsMax) * (0.75 + Math.random() / 2);
      failures += 1;
      await sleep(Math.max(pause, again.error.retryAfterMs ?? 0), undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    this.#isSending = false;
  }

  /** The oldest events, as many as fit in a request. */
  #oldest(): Entry[] {
    const { batchEventsMax, batchBytesMax } = this.#options;
    let [count, bytes] = [0, 0];
    for (const entry of this.#queue) {
      if (count === batchEventsMax || (count > 0 && bytes + entry.bytes + 1 > batchBytesMax)) break;
      bytes += entry.bytes + 1;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** Sends a batch once, and settles what is decided; answers what to repeat and why. */
  async #attempt(batch: Entry[]): Promise<{ entries: Entry[]; error: HubError } | undefined> {
    try {
      const outcomes = await this.#outcomes(batch);
      const again: Entry[] = [];
      let reason: HubError | undefined;
      for (const [index, outcome] of outcomes.entries()) {
        const entry = batch[index]!;
        if (outcome.success) entry.resolve(outcome.data);
        else if (!outcome.error.isRetryable) entry.reject(outcome.error);
        else {
          again.push(entry);
          if (!reason || (outcome.error.retryAfterMs ?? 0) > (reason.retryAfterMs ?? 0)) reason = outcome.error;
        }
      }
      return reason && { entries: again, error: reason };
    } catch (error) {
      if (this.#stop.signal.aborted) return { entries: batch, error: new HubError('closed', 'its answer had not come') };
      if (!(error instanceof HubError)) {
        // The function that gives tokens failed, which may pass.
        return { entries: batch, error: new HubError('unreachable', `no token to publish with: ${String(error)}`, {}, { cause: error }) };
      }
      if (error.isRetryable) return { entries: batch, error };
      this.#refused(batch, error);
      return undefined;
    }
  }

  async #outcomes(batch: Entry[]): Promise<PublishOutcome[]> {
    const [first] = batch;
    if (batch.length > 1 || !first) return sendBatch(this.#http, batch.map((entry) => entry.json), this.#stop.signal);
    const request = { body: first.json, signal: this.#stop.signal };
    const { data } = await this.#http.call<PublishAnswer>('POST', '/api/v1/publish', request);
    return [{ success: true, data }];
  }

  /** A batch was refused whole. Where that is one event's fault, or may be, the others are sent again at once. */
  #refused(batch: Entry[], error: HubError): void {
    const index = Number(/^\/events\/(\d+)(?:\/|$)/.exec(error.pointer ?? '')?.[1] ?? NaN);
    const culprit = batch[index];
    if (batch.length > 1 && culprit) {
      culprit.reject(error);
      this.#queue = [...batch.filter((entry) => entry !== culprit), ...this.#queue];
    } else if (batch.length > 1 && error.code === 'payload_too_large') {
      // The hub's bound is lower than this one's.
      this.#options.batchBytesMax = Math.ceil(batch.reduce((sum, entry) => sum + entry.bytes, 0) / 2);
      this.#queue = [...batch, ...this.#queue];
    } else {
      for (const entry of batch) entry.reject(error);
    }
  }

  /** Whether an event is sent again; where not, its promise is rejected with why. */
  #isKept(entry: Entry, error: HubError): boolean {
    const isStopped = this.#stop.signal.aborted;
    if (!isStopped && Date.now() - entry.sinceMs < this.#options.giveUpMs) return true;
    entry.reject(isStopped ? new HubError('closed', `the publisher was closed: ${error.detail}`, {}, { cause: error }) : error);
    return false;
  }
}
