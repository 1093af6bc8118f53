// How long a message takes from this browser, through the hub, back to this browser.

/** How many measurements the figures cover. */
export const WINDOW = 200;
/** How many sent messages are remembered; older ones are not measured any more. */
const SENT_MAX = 4096;

/** Remembers when messages were sent, and summarises how long they travelled. */
export class Latency {
  #sentAt = new Map();
  #window = [];

  /** Notes that the message `id` leaves now. A repeat of the same id keeps the first time. */
  sent(id) {
    if (this.#sentAt.has(id)) return;
    this.#sentAt.set(id, performance.now());
    if (this.#sentAt.size > SENT_MAX) this.#sentAt.delete(this.#sentAt.keys().next().value);
  }

  /** Milliseconds since `id` was sent from here; `null` for what somebody else sent. */
  received(id) {
    const sentAt = this.#sentAt.get(id);
    if (sentAt === undefined) return null;
    const latencyMs = performance.now() - sentAt;
    this.#window.push(latencyMs);
    if (this.#window.length > WINDOW) this.#window.shift();
    return latencyMs;
  }

  /** The last measurements in milliseconds, oldest first. */
  get recent() {
    return this.#window;
  }

  /** `{ count, p50Ms, p99Ms }` over the window; the figures are `null` while it is empty. */
  summary() {
    const sorted = [...this.#window].sort((a, b) => a - b);
    const rank = (q) => (sorted.length ? sorted[Math.ceil(q * sorted.length) - 1] : null);
    return { count: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99) };
  }
}

/** One decimal and the unit, or a dash where nothing was measured. */
export function inMs(latencyMs) {
  return latencyMs === null ? '–' : `${latencyMs.toFixed(1)} ms`;
}
