// How long events take from the hub to this browser, measured in a thread that does not paint.

/** How many measurements the figures cover. */
export const WINDOW = 200;
/** How many events' measurements are remembered; older ones are not shown any more. */
const REMEMBERED_MAX = 4096;

/**
 * Collects what the latency workers measure: the time from the hub's timestamp on an event to its arrival in a worker of this
 * browser. The page's own thread paints, and an event that waits for that is not late.
 */
export class Latency {
  #measured = new Map();
  #window = [];
  #onMeasured;

  /** `onMeasured()` is called after every measurement. */
  constructor(onMeasured) {
    this.#onMeasured = onMeasured;
  }

  /** Starts to measure the events of the tenant `tenant`, as a dashboard of `user` receives them. */
  measure(tenant, user) {
    const query = new URLSearchParams({ tenant, user, application: 'tenant_dashboard' });
    const worker = new Worker(`playground/latency_worker.js?${query}`, { type: 'module' });
    worker.onmessage = ({ data }) => this.#take(data);
  }

  /** Milliseconds that the event `id` took; `null` where that was not measured. */
  of(id) {
    return this.#measured.get(id) ?? null;
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

  #take({ id, latencyMs }) {
    this.#measured.set(id, latencyMs);
    if (this.#measured.size > REMEMBERED_MAX) this.#measured.delete(this.#measured.keys().next().value);
    this.#window.push(latencyMs);
    if (this.#window.length > WINDOW) this.#window.shift();
    this.#onMeasured();
  }
}

/** One decimal and the unit, or a dash where nothing was measured. */
export function inMs(latencyMs) {
  return latencyMs === null ? '–' : `${latencyMs.toFixed(1)} ms`;
}
