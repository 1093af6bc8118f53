// Identifiers made in the browser.

/** A random UUID (v4), also where the page is not a secure context. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [0, 8, 12, 16, 20].map((at, i, cuts) => hex.slice(at, cuts[i + 1] ?? 32)).join('-');
}

// Without 0/O and 1/I/L: people read order ids to each other.
const LETTERS = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';

/** A short random code of `length` letters and digits that are hard to confuse. */
export function shortCode(length) {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return [...bytes].map((byte) => LETTERS[byte % LETTERS.length]).join('');
}

/** What tells this tab's people from another tab's; survives a reload. */
export function tabCode() {
  const kept = sessionStorage.getItem('foodtrack-tab');
  if (kept) return kept;
  const made = shortCode(4).toLowerCase();
  sessionStorage.setItem('foodtrack-tab', made);
  return made;
}
