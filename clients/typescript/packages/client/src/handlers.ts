import type { AnyMessage, PayloadOf, WebSocketMessage } from '@foodtrack/websocket-contract';

/** An event of a type; of `*`, any that is built in. Events that tenants declared have the same envelope. */
export type MessageOf<T extends string> = T extends '*' ? AnyMessage : WebSocketMessage<T>;

/** What is called with an event. A promise that it returns holds back the cursor, so that a reload meanwhile repeats the event. */
export type Handler<T extends string = string> = (message: MessageOf<T>) => unknown;

/** A message whose payload is whatever it is. */
export type Message = Omit<WebSocketMessage<string>, 'payload'> & { payload: PayloadOf<string> };

/**
 * What part a handler has. `active`: it handles the event. `passive`: it watches, and what waits for a handler waits on. `once`: it
 * knows by itself what it has done already, and may be called with an event again.
 */
export type HandlerPart = 'active' | 'passive' | 'once';

/** What is told of a message that was delivered. */
export interface Settle {
  /** All that must not be called again have done with it. */
  handled(): void;
  /** Those that may be called again as well. */
  done(): void;
}

interface Waiting {
  readonly message: Message;
  readonly settle: Settle;
  /** Whether those that must not be called again have it. */
  readonly isAgain: boolean;
  readonly since: number;
}

interface Entry {
  readonly type: string;
  readonly handler: Handler<never>;
  readonly part: HandlerPart;
}

/** How much waits for a handler. */
export interface WaitingLimits {
  messagesMax: number;
  /** In milliseconds. */
  ageMax: number;
}

/**
 * Who is called with what. A message that nobody handles yet waits, within limits, and goes to the first handler of its type.
 * `*` is every type.
 */
export class Handlers {
  readonly #entries = new Set<Entry>();
  #waiting: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly limits: WaitingLimits, private readonly onError: (error: unknown) => void) {}

  /** Returns what detaches it. */
  add(type: string, handler: Handler<never>, part: HandlerPart = 'active'): () => void {
    const entry = { type, handler, part };
    this.#entries.add(entry);
    // What comes from now on a passive handler sees as it comes.
    const before = [...this.#waiting];
    // A moment later: a page that attaches, detaches and attaches again at once (React in its strict mode) loses nothing.
    queueMicrotask(() => {
      if (!this.#entries.has(entry)) return;
      if (part === 'passive') this.#show(entry, before);
      else this.#drain();
    });
    return () => void this.#entries.delete(entry);
  }

  /** Calls the handlers of the message; with `isAgain` those alone that may be called again. */
  deliver(message: Message, settle: Settle, isAgain = false): void {
    const waiting = { message, settle, isAgain, since: Date.now() };
    if (!isAgain) void this.#call(message, (part) => part === 'passive');
    const isBehind = this.#waiting.some((it) => it.message.type === message.type);
    if (!isBehind && this.#isHandled(waiting)) {
      this.#handle(waiting);
      return;
    }
    this.#waiting.push(waiting);
    this.#letGo();
  }

  /** What waits is given up. */
  clear(): void {
    this.#waiting = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  #isHandled({ message: { type }, isAgain }: Waiting): boolean {
    for (const entry of this.#entries) {
      if ((entry.part === 'once' || (entry.part === 'active' && !isAgain)) && matches(entry, type)) return true;
    }
    return false;
  }

  #drain(): void {
    const ready = this.#waiting.filter((it) => this.#isHandled(it));
    this.#waiting = this.#waiting.filter((it) => !ready.includes(it));
    for (const waiting of ready) this.#handle(waiting);
  }

  #show(entry: Entry, waiting: Waiting[]): void {
    for (const { message, isAgain } of waiting) {
      if (!isAgain && matches(entry, message.type)) void this.#call(message, (_, it) => it === entry);
    }
  }

  #handle({ message, settle, isAgain }: Waiting): void {
    const handling = isAgain ? undefined : this.#call(message, (part) => part === 'active');
    const again = this.#call(message, (part) => part === 'once');
    // Without a promise all is said before the next event: a reload does not come between.
    if (!handling) settle.handled();
    if (!handling && !again) settle.done();
    else void Promise.all([handling?.then(() => settle.handled()), again]).then(() => settle.done());
  }

  /** Answers what is left to wait for, if anything is. */
  #call(message: Message, wanted: (part: HandlerPart, entry: Entry) => boolean): Promise<unknown> | undefined {
    const pending: Promise<unknown>[] = [];
    for (const entry of [...this.#entries]) {
      if (!matches(entry, message.type) || !wanted(entry.part, entry)) continue;
      try {
        const result = (entry.handler as (message: Message) => unknown)(message);
        if (result instanceof Promise) pending.push(result.catch(this.onError));
      } catch (error) {
        this.onError(error);
      }
    }
    return pending.length > 0 ? Promise.all(pending) : undefined;
  }

  /** Lets go of what waited too long or is too much: nobody listens to it. */
  #letGo(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = Date.now();
    while (this.#waiting[0]) {
      const { since, settle } = this.#waiting[0];
      const left = since + this.limits.ageMax - now;
      if (this.#waiting.length <= this.limits.messagesMax && left > 0) {
        this.#timer = setTimeout(() => this.#letGo(), left);
        (this.#timer as { unref?: () => void }).unref?.();
        return;
      }
      this.#waiting.shift();
      settle.handled();
      settle.done();
    }
  }
}

const matches = (entry: Entry, type: string): boolean => entry.type === type || entry.type === '*';
