/** The newest ids of what was taken, so that a repeat is known. */
export class SeenTable {
  readonly #ids: Set<string>;

  /** `max`: how many ids it keeps; the oldest go first. */
  constructor(private readonly max: number, ids: readonly string[] = []) {
    this.#ids = new Set(ids.slice(-max));
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size > this.max) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
  }

  /** Oldest first. */
  toArray(): string[] {
    return [...this.#ids];
  }
}
