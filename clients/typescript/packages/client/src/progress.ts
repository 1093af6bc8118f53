interface Step {
  readonly id: string;
  readonly cursor: string | undefined;
  done: boolean;
}

/**
 * How far the application has got. Messages are taken in their order and may be done in another; the cursor that a reload may
 * resume from never passes one that is not done.
 */
export class Progress {
  readonly #steps: Step[] = [];
  #cursor: string | undefined;

  constructor(cursor: string | undefined) {
    this.#cursor = cursor;
  }

  /** All that came up to here is done. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  get isDone(): boolean {
    return this.#steps.length === 0;
  }

  /** A message was taken. `cursor`: what came with it, if anything did. */
  take(id: string, cursor: string | undefined): void {
    this.#steps.push({ id, cursor, done: false });
  }

  /** The application has done with it. */
  finish(id: string): void {
    const step = this.#steps.find((it) => it.id === id && !it.done);
    if (step) step.done = true;
    while (this.#steps[0]?.done) this.#cursor = this.#steps.shift()?.cursor ?? this.#cursor;
  }

  /** The log was started anew: its places mean nothing any more. */
  reset(): void {
    this.#steps.length = 0;
    this.#cursor = undefined;
  }
}
