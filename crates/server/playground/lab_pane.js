// Things to try: many orders at once, a look into the other restaurant, which the hub refuses, and an event of one's own.

import { Composer } from './composer.js';
import { el, setText } from './dom.js';
import { uuid } from './ids.js';

const BURST_ORDERS = 50;

/** The experiments of one restaurant, beside the count of what it should never see. */
export class LabPane {
  #restaurant;
  #other;
  #own;
  #foreign;
  #meanwhile;
  #burst;
  #verdicts;

  /** `other` is the restaurant whose events must not be seen here. */
  constructor(restaurant, other) {
    this.#restaurant = restaurant;
    this.#other = other;
    this.#own = el('output', { 'data-count': 'own' }, '0');
    this.#foreign = el('output', { 'data-count': 'foreign' }, '0');
    this.#meanwhile = el('p', { class: 'soft' });
    this.#burst = el('p', { class: 'soft burst', role: 'status' });
    this.#verdicts = el('ol', { class: 'verdicts plain', 'aria-live': 'polite' });
    const name = `lab-${restaurant.id}`;
    this.element = el('section', { class: 'pane lab', 'data-role': 'lab', 'aria-labelledby': name },
      el('header', { class: 'pane-head' }, el('h2', { id: name }, 'Two restaurants, one hub')),
      el('div', { class: 'scroll' },
        el('dl', { class: 'figures' },
          el('div', {}, el('dt', {}, `Events of ${restaurant.name} received`), el('dd', {}, this.#own)),
          el('div', { class: 'foreign' }, el('dt', {}, `Events of ${other.name} seen here`), el('dd', {}, this.#foreign))),
        this.#meanwhile,
        el('div', { class: 'experiments' },
          this.#experiment(`Try to read ${other.name}`, 'hostile', () => this.#trespass()),
          this.#experiment(`${BURST_ORDERS} orders`, 'burst', () => this.#placeMany())),
        this.#burst,
        this.#verdicts,
        new Composer(restaurant).element));
  }

  /** Shows the counts as they stand. */
  draw() {
    const { own, foreign } = this.#restaurant.counts;
    setText(this.#own, own);
    setText(this.#foreign, foreign);
    this.#foreign.closest('.foreign').dataset.leak = String(foreign > 0);
    setText(this.#meanwhile, `Meanwhile ${this.#other.name} received ${this.#other.counts.own} of its own in this very page.`);
  }

  #experiment(text, action, act) {
    const button = el('button', {
      type: 'button', 'data-action': action,
      // A disabled button would lose the focus.
      onclick: async () => {
        if (button.getAttribute('aria-disabled') === 'true') return;
        button.setAttribute('aria-disabled', 'true');
        await act();
        button.removeAttribute('aria-disabled');
      },
    }, text);
    return button;
  }

  async #trespass() {
    const { customer, dashboard } = this.#restaurant;
    const other = this.#other;
    const orderId = other.dashboard.book.orders.at(-1)?.orderId ?? 'UNSEEN';
    const attempts = [
      [`Customer follows order #${orderId} of ${other.name}`,
        () => customer.connection.ask('subscribe:order', { orderId })],
      [`Manager joins ${other.name} as a whole`,
        () => dashboard.connection.ask('subscribe:tenant', { tenantId: other.id })],
      [`Manager changes that order in the name of ${other.name}`,
        () => dashboard.connection.ask('order:updated', {
          id: uuid(), type: 'order:updated', tenantId: other.id, payload: { orderId, notes: 'free drinks' },
        })],
    ];
    this.#verdicts.replaceChildren();
    for (const [what, attempt] of attempts) {
      const answer = await attempt();
      const refused = answer.success === false;
      this.#verdicts.append(el('li', { 'data-refused': String(refused) },
        el('span', {}, what),
        el('span', { class: 'verdict' },
          el('code', {}, refused ? answer.error.code : 'allowed'),
          ` ${refused ? answer.error.message : 'The hub let it pass.'}`)));
    }
    this.#verdicts.scrollIntoView({ block: 'nearest' });
  }

  async #placeMany() {
    const restaurant = this.#restaurant;
    const startedAt = performance.now();
    setText(this.#burst, 'Ordering…');
    const answers = await Promise.all(Array.from({ length: BURST_ORDERS }, (_, i) =>
      restaurant.placeOrder(restaurant.guests, restaurant.randomBasket(), restaurant.randomAddress(), `Guest ${i + 1}`)));
    const taken = answers.filter(({ success }) => success).length;
    const tookMs = performance.now() - startedAt;
    setText(this.#burst, `${taken} of ${BURST_ORDERS} orders placed, acknowledged and followed within ${tookMs.toFixed(0)} ms.`);
  }
}
