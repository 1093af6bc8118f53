// Waiting for what should happen, and proving that something did not.

export const PATIENCE_MS = 5_000;

/** The promise's value, or an error that says what was waited for. */
export function within(promise, what, limit_ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${limit_ms} ms`)), limit_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The arguments of the emitter's next `event`. */
export const next = (emitter, event, limit_ms) =>
  within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `"${event}"`, limit_ms);

/** Keeps whatever comes, and hands it out in order: `await inbox.next()`. */
export class Inbox {
  #kept = [];
  #waiting = [];
  all = [];

  push(item) {
    this.all.push(item);
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.#kept.push(item);
  }

  next(what = "message", limit_ms = PATIENCE_MS) {
    if (this.#kept.length > 0) return Promise.resolve(this.#kept.shift());
    let taker;
    const coming = new Promise((resolve) => {
      taker = resolve;
      this.#waiting.push(taker);
    });
    return within(coming, what, limit_ms).catch((error) => {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== taker);
      throw error;
    });
  }

  /** The first item that `matches`, skipping others. */
  async find(matches, what, limit_ms) {
    for (;;) {
      const item = await this.next(what, limit_ms);
      if (matches(item)) return item;
    }
  }

  get size() {
    return this.#kept.length;
  }
}

/** Waits until `happened()` says so, looking again and again. */
export async function until(happened, what, limit_ms = PATIENCE_MS) {
  const end_ms = performance.now() + limit_ms;
  while (!happened()) {
    if (performance.now() > end_ms) throw new Error(`no ${what} within ${limit_ms} ms`);
    await pause(2);
  }
}

/** For the few promises that are about time itself. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
