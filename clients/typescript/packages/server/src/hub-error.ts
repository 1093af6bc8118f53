import { type ErrorCode, errors } from '@foodtrack/websocket-contract';

/**
 * Why something was not done: the hub's code, or one of this package's own.
 *
 * - `unreachable`: no connection to the hub, or it broke before an answer.
 * - `unanswered`: no answer within the time for it; nobody knows whether it was done.
 * - `unexpected_answer`: what answered is no hub, or something in front of it answered.
 * - `buffer_full`, `closed`: the publisher takes no more.
 * - `unsupported`: the hub has no such thing.
 * - `binary_missing`, `port_taken`, `start_failed`, `config_refused`: the hub could not be started.
 */
export type HubErrorCode =
  | ErrorCode
  | 'unreachable' | 'unanswered' | 'unexpected_answer'
  | 'buffer_full' | 'closed' | 'unsupported'
  | 'binary_missing' | 'port_taken' | 'start_failed' | 'config_refused';

/** The hub's problem document (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  success: false;
  code: ErrorCode;
  number: number;
  event?: string | null;
  pointer?: string | null;
  rule?: string | null;
  retryAfterMs?: number | null;
}

export interface HubErrorDetails {
  number?: number | undefined;
  status?: number | undefined;
  event?: string | undefined;
  pointer?: string | undefined;
  rule?: string | undefined;
  retryAfterMs?: number | undefined;
}

const RETRYABLE = new Set<HubErrorCode>(['unreachable', 'unanswered']);

/** Something was refused or failed; `message` is the sentence that says what to do. */
export class HubError extends Error {
  override readonly name = 'HubError';
  /** The number of the hub's table of codes; absent for this package's own codes. */
  readonly number: number | undefined;
  /** The answer's HTTP status, where there was an answer. */
  readonly status: number | undefined;
  readonly event: string | undefined;
  /** A JSON pointer to the part of the request that breaks `rule`. */
  readonly pointer: string | undefined;
  readonly rule: string | undefined;
  /** When the same request may succeed, in milliseconds from the answer. */
  readonly retryAfterMs: number | undefined;

  constructor(readonly code: HubErrorCode, readonly detail: string, details: HubErrorDetails = {}, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.number = details.number;
    this.status = details.status;
    this.event = details.event;
    this.pointer = details.pointer;
    this.rule = details.rule;
    this.retryAfterMs = details.retryAfterMs;
  }

  static of(problem: Problem): HubError {
    return new HubError(problem.code, problem.detail, {
      number: problem.number,
      status: problem.status,
      event: problem.event ?? undefined,
      pointer: problem.pointer ?? undefined,
      rule: problem.rule ?? undefined,
      retryAfterMs: problem.retryAfterMs ?? undefined,
    });
  }

  /** Whether the same request may succeed later: codes 1000 to 1999, and where no hub answered. */
  get isRetryable(): boolean {
    if (this.number !== undefined) return this.number >= 1_000 && this.number < 2_000;
    if (this.code === 'unexpected_answer') return this.status === 408 || this.status === 429 || (this.status ?? 0) >= 500;
    return RETRYABLE.has(this.code);
  }
}

export const unsupported = (detail: string): HubError => new HubError('unsupported', detail);

export const configRefused = (detail: string, cause?: unknown): HubError => new HubError('config_refused', detail, {}, { cause });

/** Whether `value` is a problem document whose code is in the table of this package's contract, or of a later one. */
export function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, number, detail } = value as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string' && (typeof number === 'number' || code in errors);
}
