// Says when the hub is away, for how long, and what came of it.

import { setText } from './dom.js';

/** How long all lines must be down before that is said: a cut line alone is back sooner. */
const AWAY_AFTER_MS = 1_000;
/** How long the return is announced. */
const BACK_SHOWN_MS = 8_000;

const inSeconds = (ms) => `${Math.max(1, Math.round(ms / 1_000))} s`;

/** Watches every connection of the page. `look()` is called whenever one changed, and each second. */
export class HubWatch {
  #banner;
  #connections;
  #sinceMs = null;
  #backMs = null;

  /** `banner` is the element that shows the sentence; `connections()` answers all of the page's. */
  constructor(banner, connections) {
    this.#banner = banner;
    this.#connections = connections;
  }

  /** Looks at the lines and says how they are. */
  look() {
    const nowMs = performance.now();
    const connections = this.#connections();
    if (connections.every(({ connected }) => !connected)) {
      this.#sinceMs ??= nowMs;
      this.#backMs = null;
      if (nowMs - this.#sinceMs > AWAY_AFTER_MS) {
        this.#say('away', `The hub has not answered for ${inSeconds(nowMs - this.#sinceMs)}. This page keeps trying; what you see is as it was then.`);
      }
    } else if (this.#sinceMs !== null && connections.every(({ connected }) => connected)) {
      this.#announceReturn(connections, nowMs - this.#sinceMs);
      this.#backMs = nowMs;
      this.#sinceMs = null;
    } else if (this.#backMs !== null && nowMs - this.#backMs > BACK_SHOWN_MS) {
      this.#say('here', '');
      this.#backMs = null;
    }
  }

  #announceReturn(connections, awayMs) {
    // Not said to be away: then it needs no return either.
    if (this.#banner.dataset.hub !== 'away') return;
    const resumed = connections.filter(({ lastOutage }) => lastOutage?.resumed).length;
    this.#say('back', `The hub is back after ${inSeconds(awayMs)}. ${resumed} of ${connections.length} lines went on where they were.`);
  }

  #say(hub, text) {
    this.#banner.dataset.hub = hub;
    this.#banner.hidden = text === '';
    setText(this.#banner, text);
  }
}
