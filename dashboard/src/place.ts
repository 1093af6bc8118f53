// Which view is shown: what stands behind # in the address. Never a token.

import { useSyncExternalStore } from 'react';

export interface Place {
  view: string;
  /** What the view is about, such as an order's id. */
  about: string;
}

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
}

/** Reads a place; what is no place is the first view. */
export function readPlace(hash: string): Place {
  const [, view = '', about = ''] = /^#\/([a-z-]*)\/?(.*)$/.exec(hash) ?? [];
  try {
    return { view, about: decodeURIComponent(about) };
  } catch {
    return { view, about: '' };
  }
}

export const address = (view: string, about = ''): string => `#/${view}${about ? `/${encodeURIComponent(about)}` : ''}`;

export function usePlace(): Place {
  return readPlace(useSyncExternalStore(subscribe, () => location.hash));
}
