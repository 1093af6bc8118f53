import { useState } from 'react';

/** Where a list is: the cursors of the pages so far, the last one shown. */
export interface Pages {
  cursor: string | undefined;
  number: number;
  forward: (cursor: string) => void;
  back: () => void;
}

export function usePages(): Pages {
  const [cursors, setCursors] = useState<string[]>([]);
  return {
    cursor: cursors.at(-1),
    number: cursors.length + 1,
    forward: (cursor) => setCursors((before) => [...before, cursor]),
    back: () => setCursors((before) => before.slice(0, -1)),
  };
}

/** Turns the pages of a list that the hub gives in parts. */
export function Pager({ pages, next, what }: { pages: Pages; next: string | undefined; what: string }) {
  if (pages.number === 1 && next === undefined) return null;
  return (
    <nav className="pager" aria-label={`Pages of ${what}`}>
      <button type="button" disabled={pages.number === 1} onClick={pages.back}>Back</button>
      <span className="soft">Page {pages.number}</span>
      <button type="button" disabled={next === undefined} onClick={() => next !== undefined && pages.forward(next)}>Next</button>
    </nav>
  );
}
