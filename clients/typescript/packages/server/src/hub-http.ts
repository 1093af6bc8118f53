import { HubError, isProblem } from './hub-error.js';
import { type TokenProvider, TokenSource } from './tokens.js';

/** Where a hub is, and who asks. */
export interface HubOptions {
  /** The hub's address, such as `http://127.0.0.1:4001`. */
  url: string;
  /** A token, or a function that gives one: asked again before the last one ends. Its tenant is the tenant of every request. */
  token: TokenProvider;
  /** How long an answer may take, in milliseconds; 10 000 where absent. */
  timeoutMs?: number;
  /** In the place of Node's `fetch`, which keeps connections alive. */
  fetch?: typeof fetch;
}

export interface HubRequest {
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** JSON. */
  body?: string;
  signal?: AbortSignal | undefined;
}

/** What stands in an answer of success: `data`, and what is beside it. */
export interface HubAnswer<T> {
  data: T;
  nextCursor?: string | null;
  missingNodes?: string[];
  goneThrough?: number | null;
}

const TIMEOUT_MS = 10_000;

/** Requests to a hub as one token's holder. A token that the hub calls expired is renewed once and the request sent again. */
export class HubHttp {
  readonly url: string;
  readonly #token: TokenSource;
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;

  constructor(options: HubOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#token = new TokenSource(options.token);
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#fetch = options.fetch ?? fetch;
  }

  /** @throws HubError */
  async call<T>(method: string, path: string, request: HubRequest = {}): Promise<HubAnswer<T>> {
    const token = await this.#token.current();
    try {
      return await this.#once<T>(method, path, request, token);
    } catch (error) {
      const isExpired = error instanceof HubError && error.code === 'token_expired';
      if (!isExpired || !this.#token.giveUp(token)) throw error;
      return this.#once<T>(method, path, request, await this.#token.current());
    }
  }

  /** What `/health` and `/ready` say, whatever their status; needs no token. */
  async status<T>(path: '/health' | '/ready'): Promise<T> {
    const { text, status } = await this.#send('GET', path, {}, {});
    const value = json(text);
    if (typeof value !== 'object' || value === null) throw unexpected(status, text);
    return value as T;
  }

  async #once<T>(method: string, path: string, request: HubRequest, token: string): Promise<HubAnswer<T>> {
    const { status, text, retryAfter } = await this.#send(method, path, request, { Authorization: `Bearer ${token}` });
    const value = json(text);
    if (isProblem(value)) throw HubError.of(value);
    if (status >= 200 && status < 300 && typeof value === 'object' && value !== null && 'data' in value) return value as HubAnswer<T>;
    throw unexpected(status, text, retryAfter);
  }

  async #send(method: string, path: string, { query = {}, body, signal }: HubRequest, headers: Record<string, string>) {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    try {
      const answer = await this.#fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        ...(body !== undefined && { body }),
      });
      return { status: answer.status, text: await answer.text(), retryAfter: answer.headers.get('retry-after') };
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (timeout.aborted) throw new HubError('unanswered', `${url.origin} did not answer within ${this.#timeoutMs} ms`, {}, { cause });
      const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw new HubError('unreachable', `${url.origin} cannot be reached: ${why}`, {}, { cause });
    }
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The port itself refuses some requests with a sentence; so may whatever stands before it. */
function unexpected(status: number, text: string, retryAfter: string | null = null): HubError {
  const retryAfterMs = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : undefined;
  if (status === 413) return new HubError('payload_too_large', text.slice(0, 200), { number: 3_105, status });
  return new HubError('unexpected_answer', `${status}: ${text.slice(0, 200)}`, { status, retryAfterMs });
}
