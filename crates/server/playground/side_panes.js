// Panes that share a place: one is in view, chosen above it. On a phone they stand below each other.

import { el } from './dom.js';

/** The first of `panes` (`{ title, pane }`) is in view. */
export class SidePanes {
  #panes;

  constructor(panes) {
    this.#panes = panes.map(({ pane }) => pane);
    const choices = panes.map(({ title, pane }) => el('button', {
      type: 'button',
      'aria-pressed': 'false',
      onclick: ({ currentTarget }) => {
        for (const choice of choices) choice.setAttribute('aria-pressed', String(choice === currentTarget));
        for (const other of this.#panes) other.element.dataset.chosen = String(other === pane);
      },
    }, title));
    this.element = el('div', { class: 'side' },
      el('div', { class: 'segments', role: 'group', 'aria-label': 'Experiments' }, choices),
      panes.map(({ pane }) => pane.element));
    choices[0].click();
  }

  /** Draws all of them. */
  draw() {
    for (const pane of this.#panes) pane.draw();
  }
}
