// Small drawings, so that the page asks nobody for an icon font.

import { svg } from './dom.js';

const PATHS = {
  customer: 'M8 3h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM10.5 18h3',
  dashboard: 'M4 20V10M10 20V4M16 20v-7M21 20H3',
  kitchen: 'M5 11h14v5a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4zM3 11h18M9 7c0-2 2-2 2-4M14 7c0-2 2-2 2-4',
  courier: 'M6.5 20a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM17.5 20a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM6.5 16.5l4-8h5l2 8M9 6h3M15 5h2.5',
  stream: 'M4 6h16M4 12h10M4 18h13',
};

/** The icon of a pane, drawn in the current colour. */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));
}

const circle = (cx, cy, r, fill) => svg('circle', { cx, cy, r, fill });
const rect = (x, y, width, height, rx, fill) => svg('rect', { x, y, width, height, rx, fill });

const DISHES = {
  pizza: (hue) => [
    circle(20, 20, 16, 'hsl(32 62% 62%)'), circle(20, 20, 13, 'hsl(12 72% 55%)'), circle(20, 20, 12.2, 'hsl(44 88% 74%)'),
    ...[[15, 15], [25, 14], [21, 22], [14, 25], [27, 25]].map(([x, y]) => circle(x, y, 2.7, `hsl(${hue} 52% 42%)`)),
  ],
  bite: (hue) => [
    circle(20, 20, 16, 'hsl(40 20% 92%)'), circle(20, 20, 12.5, 'hsl(40 22% 97%)'),
    rect(12, 14, 16, 12, 6, `hsl(${hue} 55% 48%)`), rect(12, 14, 16, 5, 3, `hsl(${hue} 60% 68%)`),
  ],
  drink: (hue) => [
    circle(20, 20, 16, `hsl(${hue} 30% 90%)`), rect(14, 11, 12, 19, 3, 'hsl(200 30% 97%)'),
    rect(15, 16, 10, 13, 2, `hsl(${hue} 48% 45%)`), rect(21.5, 6, 2, 12, 1, 'hsl(350 60% 58%)'),
  ],
  nigiri: (hue) => [
    circle(20, 20, 16, 'hsl(210 14% 34%)'), rect(9, 18, 22, 9, 4.5, 'hsl(45 30% 96%)'),
    rect(8, 13, 24, 8, 4, `hsl(${hue} 82% 64%)`), rect(13, 15, 2, 4, 1, `hsl(${hue} 90% 82%)`),
    rect(19, 15, 2, 4, 1, `hsl(${hue} 90% 82%)`), rect(25, 15, 2, 4, 1, `hsl(${hue} 90% 82%)`),
  ],
  roll: (hue) => [
    circle(20, 20, 16, 'hsl(210 14% 34%)'),
    ...[[14, 16], [26, 16], [20, 26]].flatMap(([x, y]) => [
      circle(x, y, 5.6, 'hsl(160 30% 13%)'), circle(x, y, 4.5, 'hsl(45 30% 96%)'), circle(x, y, 2.2, `hsl(${hue} 58% 52%)`),
    ]),
  ],
  bowl: (hue) => [
    circle(20, 20, 16, 'hsl(8 55% 36%)'), circle(20, 20, 13, `hsl(${hue} 55% 62%)`),
    rect(14, 15, 5, 5, 1, 'hsl(45 40% 95%)'), rect(22, 20, 5, 5, 1, 'hsl(45 40% 95%)'),
    circle(25, 15, 1.5, 'hsl(110 45% 40%)'), circle(16, 25, 1.5, 'hsl(110 45% 40%)'),
  ],
};

/** A dish on its plate. */
export function dishPicture({ look, hue }) {
  return svg('svg', { class: 'dish', viewBox: '0 0 40 40', 'aria-hidden': 'true' }, ...DISHES[look](hue));
}
