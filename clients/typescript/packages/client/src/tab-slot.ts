/** How many tabs of one browser have a device name of their own. */
const SLOTS_MAX = 16;
/** How long a reloaded tab waits for its former self to let go, in milliseconds. */
const RELOAD_WAIT_MS = 2_000;

/** A tab's place among the tabs of its browser: each is a device of its own for the hub, and a reload keeps its place. */
export interface TabSlot {
  /** From 1. */
  readonly number: number;
  release(): void;
}

/** Web Locks, where there are any and something is shared. */
export const locksOf = ({ sharedAs }: { readonly sharedAs?: string }): LockManager | undefined =>
  (sharedAs === undefined ? undefined : globalThis.navigator?.locks);

/** Takes the place that this tab had before it was reloaded, or the first that is free. Without locks there is one place. */
export async function claimSlot(name: string, locks: LockManager | undefined): Promise<TabSlot> {
  if (!locks) return { number: 1, release: () => {} };
  const claim = (number: number, options: LockOptions): Promise<TabSlot | undefined> => new Promise((resolve) => {
    locks.request(`${name}:${number}`, options, (lock) => {
      if (!lock) return resolve(undefined);
      return new Promise<void>((release) => resolve({ number, release }));
    }).catch(() => resolve(undefined));
  });
  const former = Number(remembered(name));
  if (former >= 1 && former <= SLOTS_MAX) {
    const slot = await claim(former, { signal: AbortSignal.timeout(RELOAD_WAIT_MS) });
    if (slot) return slot;
  }
  for (let number = 1; number <= SLOTS_MAX; number += 1) {
    const slot = await claim(number, { ifAvailable: true });
    if (slot) {
      remember(name, number);
      return slot;
    }
  }
  throw new Error(`more than ${SLOTS_MAX} tabs are connected at once`);
}

function remembered(name: string): string | null | undefined {
  try {
    return globalThis.sessionStorage?.getItem(name);
  } catch {
    return undefined;
  }
}

function remember(name: string, number: number): void {
  try {
    globalThis.sessionStorage?.setItem(name, String(number));
  } catch {
    // Forbidden: then a reloaded tab takes the first place that is free.
  }
}
