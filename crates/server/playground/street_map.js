// A small made-up town, drawn as SVG: the kitchen, the homes, and couriers where their last event says they are.

import { KeyedList, svg } from './dom.js';

const WIDTH = 320;
const HEIGHT = 200;
const LONGITUDE_SPAN = 0.03;
const LATITUDE_SPAN = 0.02;
const STREETS_X = [20, 60, 100, 140, 180, 220, 260, 300];
const STREETS_Y = [20, 60, 100, 140, 180];
/** How fast couriers ride, in map units a second: across the town in about twelve seconds. */
const UNITS_PER_SECOND = 26;

/** Where a place lies on the map of `center`, in map units. */
function project(center, { latitude, longitude }) {
  return {
    x: ((longitude - center.longitude) / LONGITUDE_SPAN + 0.5) * WIDTH,
    y: (0.5 - (latitude - center.latitude) / LATITUDE_SPAN) * HEIGHT,
  };
}

/** The way from the kitchen to a home along the streets, and where on it a courier is after some time. */
export class Ride {
  #from;
  #corner;
  #to;
  #startedAt = performance.now();

  constructor(kitchen, home) {
    this.#from = kitchen;
    this.#corner = { latitude: kitchen.latitude, longitude: home.longitude };
    this.#to = home;
  }

  /** `{ position, arrived, speed, heading }` now. Speed in metres a second, heading in degrees from north. */
  now() {
    const east = Math.abs(this.#to.longitude - this.#from.longitude) / LONGITUDE_SPAN * WIDTH;
    const north = Math.abs(this.#to.latitude - this.#from.latitude) / LATITUDE_SPAN * HEIGHT;
    const done = ((performance.now() - this.#startedAt) / 1000) * UNITS_PER_SECOND;
    const arrived = done >= east + north;
    const between = (a, b, share) => ({
      latitude: a.latitude + (b.latitude - a.latitude) * share,
      longitude: a.longitude + (b.longitude - a.longitude) * share,
    });
    if (arrived) return { position: this.#to, arrived, speed: 0, heading: 0 };
    const onFirst = done < east;
    const position = onFirst
      ? between(this.#from, this.#corner, done / east)
      : between(this.#corner, this.#to, (done - east) / north);
    const heading = onFirst
      ? (this.#to.longitude > this.#from.longitude ? 90 : 270)
      : (this.#to.latitude > this.#from.latitude ? 0 : 180);
    return { position, arrived, speed: 6.5, heading };
  }
}

/** One map. `show` moves what is on it. */
export class StreetMap {
  #restaurant;
  #homes;
  #couriers;

  constructor(restaurant, label) {
    this.#restaurant = restaurant;
    const homes = svg('g');
    const couriers = svg('g');
    const kitchen = project(restaurant.center, restaurant.kitchenPlace);
    this.element = svg('svg', { class: 'map', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label },
      ...town(),
      homes,
      svg('g', { class: 'map-kitchen', transform: `translate(${kitchen.x} ${kitchen.y})` },
        svg('rect', { x: -9, y: -9, width: 18, height: 18, rx: 6 }),
        svg('path', { d: 'M-3.5 -5v4a2 2 0 0 0 4 0v-4M-1.5 1v4.5M4 -5c-2 2 -2 5 0 6v4.5' })),
      couriers);
    this.#homes = new KeyedList(homes, () => {
      const element = svg('g', { class: 'map-home' },
        svg('circle', { r: 8 }), svg('path', { d: 'M-4 0.5L0 -3.5L4 0.5M-2.6 0v3.4h5.2V0' }));
      return { element, update: (home) => place(element, project(restaurant.center, home.position)) };
    });
    this.#couriers = new KeyedList(couriers, () => {
      const element = svg('g', { class: 'map-courier' }, svg('circle', { class: 'halo', r: 10 }), svg('circle', { r: 5.5 }));
      return { element, update: (courier) => place(element, project(restaurant.center, courier.position)) };
    });
  }

  /** Shows the given orders' homes, and their couriers where a location is known. */
  show(orders) {
    const withHome = orders.filter((order) => order.address?.latitude !== undefined);
    this.#homes.show(withHome.map((order) => ({ key: order.orderId, position: order.address })), (home) => home.key);
    const moving = orders.filter((order) => order.position);
    this.#couriers.show(moving.map((order) => ({ key: order.orderId, position: order.position })), (dot) => dot.key);
    this.element.dataset.couriers = String(moving.length);
  }
}

function place(element, { x, y }) {
  element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
}

function town() {
  const line = (x1, y1, x2, y2, name) => svg('line', { x1, y1, x2, y2, class: name });
  return [
    svg('rect', { class: 'map-ground', width: WIDTH, height: HEIGHT }),
    svg('rect', { class: 'map-park', x: 226, y: 26, width: 68, height: 28, rx: 6 }),
    svg('rect', { class: 'map-park', x: 66, y: 146, width: 28, height: 28, rx: 6 }),
    svg('path', { class: 'map-river', d: 'M-5 128C40 112 60 78 82 60S112 20 118 -5' }),
    ...STREETS_X.map((x) => line(x, 0, x, HEIGHT, x === 140 ? 'map-avenue' : 'map-street')),
    ...STREETS_Y.map((y) => line(0, y, WIDTH, y, y === 100 ? 'map-avenue' : 'map-street')),
  ];
}
