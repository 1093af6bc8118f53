import type { ErrorCode, Refusal } from '@foodtrack/websocket-contract';

/** Why a message was not published: the hub's code, or one of the client's own. */
export type PublishErrorCode = ErrorCode | 'outbox_full' | 'not_kept' | 'offline' | 'closed' | 'unanswered';

/** A message was not published. */
export class PublishError extends Error {
  override readonly name = 'PublishError';
  /** What the hub said, where it said something. */
  readonly refusal: Refusal | undefined;

  constructor(readonly code: PublishErrorCode, message: string, options?: ErrorOptions & { refusal?: Refusal }) {
    super(message, options);
    this.refusal = options?.refusal;
  }

  static of(refusal: Refusal): PublishError {
    return new PublishError(refusal.code, refusal.message, { refusal });
  }
}
