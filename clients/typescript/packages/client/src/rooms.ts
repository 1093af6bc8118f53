import type { Refusal } from '@foodtrack/websocket-contract';

import { PublishError } from './publish-error.js';

/** What a room gathers that a client may join by itself. */
export type RoomKind = 'order' | 'kitchen' | 'tenant' | 'customer' | 'route';

/** The rooms that the application wants to be in. */
export class Rooms {
  /** How many want each, by kind and id. */
  readonly #wanted = new Map<string, number>();
  /** Those that the session is in, or on its way into. */
  readonly #joined = new Set<string>();

  constructor(
    private readonly ask: (type: string, id: string) => Promise<Refusal | undefined>,
    private readonly onError: (error: unknown) => void,
  ) {}

  join(kind: RoomKind, id: string): () => void {
    const room = `${kind}:${id}`;
    this.#wanted.set(room, (this.#wanted.get(room) ?? 0) + 1);
    this.#enter(room);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      const left = (this.#wanted.get(room) ?? 1) - 1;
      if (left > 0) return void this.#wanted.set(room, left);
      this.#wanted.delete(room);
      if (this.#joined.delete(room)) void this.#tell('unsubscribe', room);
    };
  }

  /** There is a connection; a session that was resumed is in its rooms. */
  connected(recovered: boolean): void {
    if (!recovered) this.#joined.clear();
    for (const room of this.#wanted.keys()) this.#enter(room);
  }

  #enter(room: string): void {
    if (this.#joined.has(room)) return;
    this.#joined.add(room);
    void this.#tell('subscribe', room);
  }

  async #tell(verb: string, room: string): Promise<void> {
    const at = room.indexOf(':');
    try {
      const refusal = await this.ask(`${verb}:${room.slice(0, at)}`, room.slice(at + 1));
      if (!refusal) return;
      this.onError(PublishError.of(refusal));
    } catch {
      // Torn meanwhile: with the next connection.
    }
    if (verb === 'subscribe') this.#joined.delete(room);
  }
}
