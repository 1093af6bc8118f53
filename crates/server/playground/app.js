// The page: two restaurants, of which one is in view; both are always at work.

import { Autopilot, AutopilotSwitches } from './autopilot.js';
import { BackEndPane } from './back_end_pane.js';
import { CourierPane } from './courier_pane.js';
import { CustomerPane } from './customer_pane.js';
import { DashboardPane } from './dashboard_pane.js';
import { coalesce, el, setText, svg } from './dom.js';
import { EventStream } from './event_stream.js';
import { keepFocus } from './focus.js';
import { HubWatch } from './hub_watch.js';
import { icon } from './icons.js';
import { tabCode } from './ids.js';
import { KitchenPane } from './kitchen_pane.js';
import { LabPane } from './lab_pane.js';
import { Latency, WINDOW, inMs } from './latency.js';
import { ListenPane } from './listen_pane.js';
import { NodeWatch } from './node_watch.js';
import { NodesPane } from './nodes_pane.js';
import { Restaurant } from './restaurant.js';
import { SidePanes } from './side_panes.js';

const NOTICE_MS = 6_000;
const NARROW_PANES = [
  ['customer', 'Customer'], ['dashboard', 'Dashboard'], ['kitchen', 'Kitchen'], ['courier', 'Courier'], ['stream', 'Events'],
];

const fetchJson = async (path) => {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
};

/** The panes of one restaurant, and when to draw them. */
class Stage {
  constructor(restaurant, other, switches, latency, { todaysNames, eventTypes }, nodes) {
    this.restaurant = restaurant;
    const stream = new EventStream(restaurant, latency, todaysNames);
    const side = new SidePanes([
      { title: 'Experiments', pane: new LabPane(restaurant, other) },
      { title: 'Back end', pane: new BackEndPane(restaurant) },
      { title: 'Listen', pane: new ListenPane(restaurant, eventTypes) },
      ...(nodes ? [{ title: 'Nodes', pane: new NodesPane(restaurant, nodes) }] : []),
    ]);
    const panes = [
      new CustomerPane(restaurant, switches), new DashboardPane(restaurant, switches),
      new KitchenPane(restaurant, switches), new CourierPane(restaurant, switches), stream, side,
    ];
    this.element = el('div', { class: 'stage', 'data-tenant': restaurant.id, hidden: true },
      panes.map(({ element }) => element));
    this.draw = coalesce(() => {
      if (!this.element.hidden) keepFocus(this.element, () => panes.forEach((pane) => pane.draw()));
    });
    restaurant.onEvent = (seat, message) => {
      stream.add(seat, message);
      this.draw();
    };
  }

  show(visible) {
    this.element.hidden = !visible;
    this.draw();
  }
}

function meters() {
  const p50 = document.querySelector('#p50');
  const p99 = document.querySelector('#p99');
  const line = svg('polyline', { fill: 'none' });
  document.querySelector('#spark').append(line);
  return (latency) => {
    const { p50Ms, p99Ms, count } = latency.summary();
    setText(p50, inMs(p50Ms));
    setText(p99, inMs(p99Ms));
    p99.title = `over the last ${count} of at most ${WINDOW} deliveries`;
    const top = Math.max(...latency.recent, 1);
    line.setAttribute('points', latency.recent
      .map((latencyMs, i) => `${(i / (WINDOW - 1) * 100).toFixed(1)},${(22 - (latencyMs / top) * 20).toFixed(1)}`).join(' '));
  };
}

function notices() {
  const box = document.querySelector('#notices');
  return (text) => {
    const notice = el('p', {}, text);
    box.append(notice);
    setTimeout(() => notice.remove(), NOTICE_MS);
  };
}

function press(group, chosen) {
  for (const button of group) button.setAttribute('aria-pressed', String(button === chosen));
}

async function start() {
  const [info, { tenants: menus }] = await Promise.all([fetchJson('demo/info'), fetchJson('playground/menus.json')]);
  setText(document.querySelector('#version'), `v${info.version}`);
  const drawMeters = meters();
  const latency = new Latency(coalesce(() => drawMeters(latency)));
  const switches = new AutopilotSwitches(new URLSearchParams(location.search).get('autopilot') !== 'off');
  const tell = notices();
  const tab = tabCode();
  const restaurants = info.tenants.map(({ id, name }) =>
    new Restaurant({ ...menus.find((menu) => menu.id === id), id, name }, tab));
  restaurants.forEach(({ id }) => latency.measure(id, `meter-${tab}`));
  const nodes = info.hasNodes ? new NodeWatch(() => stages.forEach(({ draw }) => draw())) : null;
  const stages = restaurants.map((restaurant, i) => {
    restaurant.onNotice = tell;
    return new Stage(restaurant, restaurants[(i + 1) % restaurants.length], switches, latency, info, nodes);
  });
  const watch = new HubWatch(document.querySelector('#hub'),
    () => restaurants.flatMap(({ seats }) => seats.map(({ connection }) => connection)));
  stages.forEach(({ restaurant, draw }) => {
    restaurant.onChange = () => {
      watch.look();
      draw();
    };
  });
  document.querySelector('main').replaceChildren(...stages.map(({ element }) => element));
  restaurants.forEach((restaurant) => new Autopilot(restaurant, switches));

  const tabs = stages.map((stage) => el('button', {
    type: 'button', 'data-tenant': stage.restaurant.id,
    onclick: ({ currentTarget }) => {
      press(tabs, currentTarget);
      document.body.dataset.tenant = stage.restaurant.id;
      stages.forEach((other) => other.show(other === stage));
    },
  }, el('i', { class: 'dot' }), stage.restaurant.name));
  document.querySelector('#tenants').append(...tabs);
  tabs[0].click();

  const choices = NARROW_PANES.map(([role, title]) => el('button', {
    type: 'button',
    onclick: ({ currentTarget }) => {
      press(choices, currentTarget);
      document.body.dataset.pane = role;
      window.scrollTo({ top: 0 });
    },
  }, icon(role), title));
  document.querySelector('#panes').append(...choices);
  choices[0].click();
  // Ages and finished orders change without an event.
  setInterval(() => {
    watch.look();
    stages.forEach((stage) => stage.draw());
  }, 1_000);
}

start().catch((cause) => {
  document.querySelector('main').replaceChildren(el('p', { class: 'empty', role: 'alert' }, `The playground could not start: ${cause.message}`));
});
