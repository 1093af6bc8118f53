// The nodes of the cluster, as whoever started them tells it, each second.

const LOOK_EVERY_MS = 1_000;

const url = (rest = '') => new URL(`../demo/nodes${rest}`, import.meta.url);

/** Knows how the nodes are. `onChange()` is called when something was heard. */
export class NodeWatch {
  /** `{ name, address, state, pid, connections }` each. */
  nodes = [];
  /** Where the Redis is that they share. */
  redis = '';

  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#look();
  }

  /** `act` is `kill` or `start`. */
  async order(name, act) {
    // The type keeps pages of other origins out.
    const answer = await fetch(url(`/${name}/${act}`), { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    if (answer.ok) this.#take(await answer.json());
    return answer.ok;
  }

  async #look() {
    try {
      const answer = await fetch(url());
      if (answer.ok) this.#take(await answer.json());
    } catch {
      // The demo has ended, or its port is not back yet.
    }
    setTimeout(() => this.#look(), LOOK_EVERY_MS);
  }

  #take({ nodes, redis }) {
    this.nodes = nodes;
    this.redis = redis ?? this.redis;
    this.#onChange();
  }
}
