// The nodes of the cluster: one can be killed and started again, and the count beside them shows that nothing is missed.

import { KeyedList, el, setText } from './dom.js';

const STATE_NAMES = { starting: 'starting…', running: 'running', killed: 'killed', ended: 'ended by itself' };
/** The chip's colour for each. */
const CHIP_STATES = { starting: 'connecting', running: 'connected', killed: 'refused', ended: 'refused' };

/** Nodes, what may be done to them, and what became of this restaurant's events meanwhile. */
export class NodesPane {
  #restaurant;
  #watch;
  #list;
  #figures = {};
  #note;

  constructor(restaurant, watch) {
    this.#restaurant = restaurant;
    this.#watch = watch;
    const list = el('ul', { class: 'plain', 'aria-label': 'Nodes' });
    this.#list = new KeyedList(list, (node) => this.#row(node));
    this.#note = el('p', { class: 'soft', role: 'status' });
    const figure = (key, title) => {
      this.#figures[key] = el('output', { 'data-count': key }, '0');
      return el('div', {}, el('dt', {}, title), el('dd', {}, this.#figures[key]));
    };
    const name = `nodes-${restaurant.id}`;
    this.element = el('section', { class: 'pane nodes', 'data-role': 'nodes', 'aria-labelledby': name },
      el('header', { class: 'pane-head' }, el('h2', { id: name }, 'Nodes behind one address')),
      el('div', { class: 'scroll' },
        list,
        el('dl', { class: 'figures', title: 'Events of this page\'s people that the hub acknowledged, and those of them that reached the dashboard' },
          figure('acknowledged', 'acknowledged'), figure('arrived', 'arrived'), figure('onTheirWay', 'on their way'), figure('twice', 'twice')),
        this.#note));
  }

  /** Shows how the nodes are, and the count. */
  draw() {
    const { deliveries, seats } = this.#restaurant;
    this.#list.show(this.#watch.nodes, ({ name }) => name);
    for (const [key, output] of Object.entries(this.#figures)) setText(output, deliveries[key]);
    const connected = seats.filter(({ connection }) => connection.connected).length;
    setText(this.#note, `${connected} of ${seats.length} lines of ${this.#restaurant.name} are up. The nodes share the Redis at ${this.#watch.redis}.`);
  }

  #row({ name }) {
    const chip = el('span', { class: 'chip' });
    const address = el('code', {});
    const connections = el('span', { class: 'soft' });
    const button = el('button', { type: 'button', onclick: () => this.#act(name, button.dataset.action === 'kill' ? 'kill' : 'start') });
    return {
      element: el('li', { 'data-node': name }, el('strong', {}, name), chip, address, connections, button),
      update: (node) => {
        const isGone = node.state === 'killed' || node.state === 'ended';
        chip.dataset.state = CHIP_STATES[node.state];
        setText(chip, STATE_NAMES[node.state]);
        setText(address, node.address ?? '');
        setText(connections, node.connections === null || isGone ? '' : `${node.connections} lines`);
        button.dataset.action = isGone ? 'start' : 'kill';
        button.title = isGone ? 'Starts it where it was' : 'kill -9';
        button.setAttribute('aria-label', `${isGone ? 'Start' : 'Kill'} ${name}`);
        setText(button, isGone ? 'Start' : 'Kill');
      },
    };
  }

  async #act(name, act) {
    if (!await this.#watch.order(name, act)) this.#restaurant.onNotice(`${name} could not be asked to ${act}`);
  }
}
