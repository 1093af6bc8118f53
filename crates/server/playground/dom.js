// Elements without a framework: make one, and keep a list of them in step with data.

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an HTML element. `on…` attributes are listeners, `true` is a bare attribute, `null` and `false` none. */
export function el(name, attributes = {}, ...children) {
  return dress(document.createElement(name), attributes, children);
}

/** Makes an SVG element; otherwise as `el`. */
export function svg(name, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, name), attributes, children);
}

function dress(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Writes `text` only where it differs, so that a selection or a screen reader is not disturbed. */
export function setText(element, text) {
  const next = String(text);
  if (element.textContent !== next) element.textContent = next;
}

/** Children of `container`, one per item, reused by key: focus and transitions survive an update. */
export class KeyedList {
  #container;
  #create;
  #rows = new Map();

  /** `create(item)` answers `{ element, update(item) }`. */
  constructor(container, create) {
    this.#container = container;
    this.#create = create;
  }

  /** Shows exactly `items`, in their order. */
  show(items, keyOf) {
    // First what is gone: with it between them, the others would be moved, and an element that moves loses the focus.
    const kept = new Set(items.map(keyOf));
    for (const [key, { element }] of this.#rows) {
      if (kept.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    let next = this.#container.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let row = this.#rows.get(key);
      if (!row) {
        row = this.#create(item);
        this.#rows.set(key, row);
      }
      row.update(item);
      if (row.element === next) next = next.nextElementSibling;
      else this.#container.insertBefore(row.element, next);
    }
  }
}

/** Pause between two drawings, in milliseconds: what is drawn must not hold up what is received. */
const DRAW_INTERVAL_MS = 120;

/** Runs `draw` soon, in a frame of its own, however often it is asked for. */
export function coalesce(draw) {
  let asked = false;
  let drawnAt = 0;
  return () => {
    if (asked) return;
    asked = true;
    setTimeout(() => requestAnimationFrame(() => {
      asked = false;
      drawnAt = performance.now();
      draw();
    }), Math.max(0, drawnAt + DRAW_INTERVAL_MS - performance.now()));
  };
}
