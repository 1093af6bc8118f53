// The hub's HTTP API, asked with a token.

/** The hub said no, and why. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | null;

  constructor(status: number, code: string, detail: string, retryAfterMs: number | null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether this token opens nothing any more. */
  get endsSession(): boolean {
    return this.status === 401;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super('The hub does not answer. It may be restarting, or your network is away.');
  }
}

/** An answer of success: the data, and what stands beside it. */
export interface Answer<T> {
  data: T;
  nextCursor?: string;
  missingNodes?: string[];
  goneThrough?: number;
}

export type Query = Record<string, string | number | undefined>;

/** How long an answer may take. */
const PATIENCE_MS = 15_000;

export class Hub {
  readonly #token: string;
  readonly #tenant: string | null;

  /** `tenant` is whom an operator looks at; other tokens are their tenant's, whatever is said here. */
  constructor(token: string, tenant: string | null = null) {
    this.#token = token;
    this.#tenant = tenant;
  }

  get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer<T>> {
    return this.#ask<T>('GET', path, query, undefined, signal);
  }

  post<T>(path: string, query: Query = {}, body?: unknown): Promise<Answer<T>> {
    return this.#ask<T>('POST', path, query, body);
  }

  delete<T>(path: string, query: Query = {}): Promise<Answer<T>> {
    return this.#ask<T>('DELETE', path, query);
  }

  async #ask<T>(method: string, path: string, query: Query, body?: unknown, signal?: AbortSignal): Promise<Answer<T>> {
    const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
    const search = new URLSearchParams(said.map(([name, value]) => [name, String(value)]));
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (this.#tenant !== null) headers['foodtrack-tenant'] = this.#tenant;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const patience = AbortSignal.timeout(PATIENCE_MS);
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(search.size > 0 ? `${path}?${search}` : path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
        cache: 'no-store',
        credentials: 'omit',
      });
      answer = await response.json();
    } catch (failure) {
      if (signal?.aborted) throw failure;
      throw new Unreachable();
    }
    return read<T>(response, answer);
  }
}

function read<T>(response: Response, answer: unknown): Answer<T> {
  if (typeof answer !== 'object' || answer === null) throw new Unreachable();
  const said = answer as Record<string, unknown>;
  // Health is an answer also with 503: it says what is wrong.
  if ('uptime' in said) return { data: said as T };
  if (response.ok && 'data' in said) return said as unknown as Answer<T>;
  const detail = typeof said.detail === 'string' ? said.detail : `The hub answered ${response.status}.`;
  const after = typeof said.retryAfterMs === 'number' ? said.retryAfterMs : Number(response.headers.get('retry-after') ?? 0) * 1000;
  throw new Refused(response.status, typeof said.code === 'string' ? said.code : '', detail, after > 0 ? after : null);
}
