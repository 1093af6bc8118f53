// The newest events of a log, as they come. Reading a log confirms nothing and is nobody's device: watching changes no delivery.

import type { Answer, Hub } from './hub';
import type { Entry } from './shapes';

/** What is kept to look at. */
export const ROWS_MAX = 500;
const FIRST = 100;
const PART = 500;

export class Tail {
  /** Newest first. */
  rows: Entry[] = [];
  /** How many came while this was open and are not kept any more. */
  dropped = 0;
  #cursor: string | undefined;

  /** Reads on from where it is; the newest at first. */
  async read(hub: Hub, signal: AbortSignal): Promise<Answer<number>> {
    const query = this.#cursor === undefined ? { last: FIRST } : { cursor: this.#cursor, limit: PART };
    const { data } = await hub.get<Entry[]>('/api/v1/log', query, signal);
    this.#cursor = data.at(-1)?.cursor ?? this.#cursor;
    const all = [...data.toReversed(), ...this.rows];
    this.dropped += Math.max(0, all.length - ROWS_MAX);
    this.rows = all.slice(0, ROWS_MAX);
    return { data: data.length };
  }
}

export interface Filter {
  event: string;
  application: string;
  text: string;
}

/** Whether somebody who filters so wants to see it. */
export function fits(entry: Entry, { event, application, text }: Filter): boolean {
  const { audience } = entry;
  const isFor = application === '' || (audience.applications.includes(application) && (audience.only.length === 0 || audience.only.includes(application)));
  if (!isFor || !entry.event.startsWith(event.trim())) return false;
  const wanted = text.trim().toLowerCase();
  return wanted === '' || `${entry.orderId ?? ''} ${entry.id} ${JSON.stringify(entry.message)}`.toLowerCase().includes(wanted);
}
