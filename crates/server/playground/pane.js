// What every application's pane has: a title, the state of its line, a way to cut it, and its autopilot.

import { el, setText } from './dom.js';
import { icon } from './icons.js';

const STATE_NAMES = {
  connecting: 'connecting…',
  connected: 'connected',
  reconnecting: 'reconnecting…',
  refused: 'refused',
};

/** A pane of one role. The role's content goes into `body`; `connection` is asked for anew at each drawing. */
export class Pane {
  #connection;
  #chip;
  #after;

  constructor({ role, title, restaurant, switches, connection, onCut = (line) => line.cut() }) {
    this.#connection = connection;
    this.#chip = el('span', { class: 'chip', 'data-state': 'connecting' }, 'connecting…');
    this.#after = el('span', { class: 'after' });
    this.body = el('div', { class: 'pane-body' });
    const name = `${role}-${restaurant.id}`;
    const autopilot = el('input', {
      type: 'checkbox', role: 'switch', 'data-autopilot': role,
      onchange: () => switches.set(role, autopilot.checked),
    });
    autopilot.checked = switches.isOn(role);
    switches.addEventListener('change', () => { autopilot.checked = switches.isOn(role); });
    this.element = el('section', { class: 'pane', 'data-role': role, 'aria-labelledby': name },
      el('header', { class: 'pane-head' },
        el('h2', { id: name }, icon(role), title),
        el('label', { class: 'switch' }, el('span', {}, 'Autopilot'), autopilot)),
      el('div', { class: 'line' },
        this.#chip,
        this.#after,
        el('button', {
          type: 'button', class: 'quiet', 'aria-label': `Cut the line of ${title}`,
          title: 'Closes the connection under the application; watch it come back', onclick: () => onCut(this.#connection()),
        }, 'Cut the line')),
      this.body);
  }

  /** Shows how the line is. */
  drawLine() {
    const { state, transport, lastOutage, refusal } = this.#connection();
    this.#chip.dataset.state = state;
    setText(this.#chip, transport ? `${STATE_NAMES[state]} · ${transport}` : STATE_NAMES[state]);
    let after = '';
    if (state === 'refused') after = refusal;
    else if (state === 'connected' && lastOutage) {
      after = `back after ${Math.round(lastOutage.outageMs)} ms, ${lastOutage.resumed ? 'nothing missed' : 'without what it missed'}`;
    }
    setText(this.#after, after);
    this.#after.title = after;
  }
}

/** "2 × Margherita, 1 × Chinotto" */
export function itemsText(order) {
  return (order.items ?? []).map(({ quantity, name }) => `${quantity} × ${name}`).join(', ');
}

/** An order's id as people read it. */
export const orderTag = (order) => `#${order.orderId}`;
