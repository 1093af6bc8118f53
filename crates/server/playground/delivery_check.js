// Whether everything that the hub acknowledged arrives: counted at the dashboard, which gets all that people here do.

/** How many events are remembered that came already. */
const SEEN_MAX = 20_000;

/** Events that were acknowledged with a place in the log, and their arrival. */
export class DeliveryCheck {
  acknowledged = 0;
  arrived = 0;
  /** Events that came more than once. */
  twice = 0;

  #waiting = new Set();
  #seen = new Set();

  /** Acknowledged, and not there yet. */
  get onTheirWay() {
    return this.#waiting.size;
  }

  /** The hub has acknowledged this event. */
  taken(id) {
    this.acknowledged += 1;
    if (this.#seen.has(id)) this.arrived += 1;
    else this.#waiting.add(id);
  }

  /** It came. */
  came(id) {
    if (this.#seen.has(id)) {
      this.twice += 1;
      return;
    }
    this.#seen.add(id);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.values().next().value);
    if (this.#waiting.delete(id)) this.arrived += 1;
  }
}
