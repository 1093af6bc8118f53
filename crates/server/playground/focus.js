// Keeps the keyboard's focus where the person is while the page draws itself anew.

const isUsable = (element) => element.isConnected && !element.disabled && element.checkVisibility();
const buttonsOf = (row) => [...(row?.querySelectorAll('button') ?? [])].filter(isUsable);

/** Where the focus is within `root`: enough to find the nearest place again when its element goes. */
function placeOf(root) {
  const element = document.activeElement;
  if (!element || element === document.body || !root.contains(element)) return null;
  const row = element.closest('li');
  const rows = row?.parentElement;
  return {
    element, row, rows,
    index: rows ? [...rows.children].indexOf(row) : -1,
    action: element.dataset.action,
    heading: element.closest('.pane')?.querySelector('h2'),
  };
}

/** The element itself; else another button of its row; else the same in the row that took its place; else the pane's title. */
function nearest({ element, row, rows, index, action, heading }) {
  if (isUsable(element)) return element;
  if (row?.isConnected && buttonsOf(row).length) return buttonsOf(row)[0];
  const successor = rows?.isConnected ? rows.children[Math.min(index, rows.children.length - 1)] : null;
  const buttons = buttonsOf(successor);
  return buttons.find((button) => button.dataset.action === action) ?? buttons[0] ?? heading;
}

/** Runs `draw`, which may move, hide and remove elements of `root`, and leaves the focus where the person was. */
export function keepFocus(root, draw) {
  const place = placeOf(root);
  draw();
  if (!place) return;
  const next = nearest(place);
  if (!next || next === document.activeElement) return;
  if (next === place.heading) next.tabIndex = -1;
  next.focus({ preventScroll: true });
}
