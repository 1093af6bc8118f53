import 'fake-indexeddb/auto';

import { IndexedDbStorage, MemoryStorage, type OutboxEntry } from '@foodtrack/websocket-client';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { Handlers, type Message, type Settle } from '../packages/client/src/handlers.js';
import { Inbox, type InboxParts } from '../packages/client/src/inbox.js';
import { type OrderView, foldOrder } from '../packages/client/src/order-view.js';
import { Outbox, type OutboxResult, type Send } from '../packages/client/src/outbox.js';
import { Progress } from '../packages/client/src/progress.js';
import { SeenTable } from '../packages/client/src/seen-table.js';
import { claimSlot } from '../packages/client/src/tab-slot.js';
import { TokenSource, readClaims } from '../packages/client/src/token.js';
import { CHEF, eventually, token } from './hub.js';

const later = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

const message = (id: string, type = 'order:updated', more: Partial<Message> = {}): Message => ({
  id, type, tenantId: 't', timestamp: '2026-11-29T12:00:00.000Z', source: 'system', payload: { orderId: '1' }, priority: 'medium',
  retryCount: 0, encrypted: false, ...more,
});

const when = (done: () => void): Settle => ({ handled: () => {}, done });

test('the table of ids keeps the newest', () => {
  const seen = new SeenTable(3, ['a', 'b']);
  for (const id of ['c', 'a', 'd']) seen.add(id);
  expect(seen.toArray()).toEqual(['c', 'a', 'd']);
  expect(seen.has('b')).toBe(false);
});

test('the cursor never passes an event that is not done', () => {
  const progress = new Progress('e-1');
  for (const n of [2, 3, 4]) progress.take(`${n}`, `e-${n}`);
  progress.finish('3');
  expect(progress.cursor).toBe('e-1');
  progress.finish('2');
  expect(progress.cursor).toBe('e-3');
  progress.take('acknowledged', undefined);
  progress.finish('4');
  progress.finish('acknowledged');
  expect(progress.cursor).toBe('e-4');
});

describe('handlers', () => {
  const limits = { messagesMax: 3, ageMax: 10_000 };

  test('what comes before the first handler waits for it, in order', async () => {
    const handlers = new Handlers(limits, () => {});
    const [got, done]: [string[], string[]] = [[], []];
    for (const id of ['1', '2']) handlers.deliver(message(id), when(() => done.push(id)));
    expect(done).toEqual([]);
    handlers.add('order:updated', (one: Message) => void got.push(one.id));
    handlers.deliver(message('3'), when(() => done.push('3')));
    await later();
    expect(got).toEqual(['1', '2', '3']);
    expect(done).toEqual(['1', '2', '3']);
  });

  test('a handler that is attached, detached and attached again at once loses nothing', async () => {
    const handlers = new Handlers(limits, () => {});
    const got: string[] = [];
    handlers.deliver(message('1'), when(() => {}));
    handlers.add('order:updated', () => void got.push('never'))();
    handlers.add('order:updated', (one: Message) => void got.push(one.id));
    await later();
    expect(got).toEqual(['1']);
  });

  test('what waits is bounded, by count and by age', async () => {
    const handlers = new Handlers({ messagesMax: 3, ageMax: 50 }, () => {});
    const done: string[] = [];
    for (const id of ['1', '2', '3', '4']) handlers.deliver(message(id), when(() => done.push(id)));
    expect(done).toEqual(['1']);
    await eventually(() => handlers.waitingCount === 0);
    expect(done).toEqual(['1', '2', '3', '4']);
  });

  test('a passive handler sees each once, and what waits waits on', async () => {
    const handlers = new Handlers(limits, () => {});
    const [seen, got]: [string[], string[]] = [[], []];
    handlers.deliver(message('1'), when(() => {}));
    handlers.add('*', (one: Message) => void seen.push(one.id), 'passive');
    handlers.deliver(message('2'), when(() => {}));
    await later();
    handlers.add('order:updated', (one: Message) => void got.push(one.id));
    await later();
    handlers.deliver(message('3'), when(() => {}));
    expect(seen.sort()).toEqual(['1', '2', '3']);
    expect(got).toEqual(['1', '2', '3']);
  });

  test('an event is done when what its handlers promised is settled, also where one throws', async () => {
    const errors: unknown[] = [];
    const handlers = new Handlers(limits, (error) => errors.push(error));
    let release = () => {};
    handlers.add('order:updated', () => { throw new Error('broken'); });
    handlers.add('order:updated', () => new Promise<void>((resolve) => { release = resolve; }));
    let isDone = false;
    handlers.deliver(message('1'), when(() => { isDone = true; }));
    await later();
    expect(isDone).toBe(false);
    release();
    await later();
    expect(isDone).toBe(true);
    expect(errors).toHaveLength(1);
  });
});

describe('the inbox', () => {
  const load = (got: Message[], storage = new MemoryStorage(), more: Partial<InboxParts> = {}) => Inbox.load(storage, 'key', {
    limits: { seenMax: 2, inboxMessagesMax: 3 },
    decrypt: undefined,
    deliver: (one, settle) => {
      got.push(one);
      settle.handled();
      settle.done();
    },
    onError: () => {},
    onOverflow: () => {},
    ...more,
  });
  const take = (inbox: Inbox, id: string, cursor?: string, acknowledge?: () => void) =>
    inbox.take({ message: message(id), cursor, acknowledge });

  test('a repeat is known by its id, and by its cursor where the id is forgotten', async () => {
    const got: Message[] = [];
    const storage = new MemoryStorage();
    const inbox = await load(got, storage);
    for (const n of [1, 2, 3, 4]) take(inbox, `${n}`, `e-${n}`);
    for (const n of [1, 2, 3, 4]) take(inbox, `${n}`, `e-${n}`);
    expect(got.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
    const next = await load(got, storage);
    for (const n of [1, 2, 3, 4, 5]) take(next, `${n}`, `e-${n}`);
    expect(got.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
    expect(next.cursor).toBe('e-5');
  });

  test('an event that overtakes others is no reason to pass over them', async () => {
    const got: Message[] = [];
    const inbox = await load(got);
    take(inbox, '4', 'e-4');
    take(inbox, '9', 'e-4+9');
    take(inbox, '5', 'e-5+9');
    take(inbox, '9', 'e-5+9');
    expect(got.map(({ id }) => id)).toEqual(['4', '9', '5']);
  });

  test('what happens once for the device is made up for by the next page, and nothing else is', async () => {
    const storage = new MemoryStorage();
    const first: Message[] = [];
    const deliver: InboxParts['deliver'] = (one, settle) => {
      first.push(one);
      settle.handled();
      // The page goes away before the effect is done.
    };
    const inbox = await load([], storage, { deliver });
    take(inbox, '1', 'e-1');
    take(inbox, '2', 'e-2');
    expect([first.length, inbox.cursor, inbox.owed]).toEqual([2, undefined, ['1', '2']]);
    const again: boolean[] = [];
    const next = await load([], storage, {
      deliver: (_, settle, isAgain) => {
        again.push(isAgain);
        settle.done();
      },
    });
    take(next, '1', 'e-1');
    take(next, '1', 'e-1');
    take(next, '2', 'e-2');
    expect(again).toEqual([true, true]);
    expect([next.cursor, next.owed]).toEqual(['e-2', []]);
  });

  test('a repeat is acknowledged once more', async () => {
    const inbox = await load([]);
    const acknowledge = vi.fn();
    take(inbox, '1', undefined, acknowledge);
    take(inbox, '1', undefined, acknowledge);
    expect(acknowledge).toHaveBeenCalledTimes(2);
  });

  test('a log that was started anew is taken from its beginning', async () => {
    const got: Message[] = [];
    const inbox = await load(got);
    take(inbox, '1', 'e-70');
    const reset = message('2', 'system:reconnection_required', { payload: { reason: 'reset', message: '' } });
    inbox.take({ message: reset, cursor: undefined, acknowledge: undefined });
    expect(inbox.cursor).toBeUndefined();
    take(inbox, '3', 'f-1');
    expect(got.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(inbox.cursor).toBe('f-1');
  });

  test('a log that is a new one is told once, whether the hub says so or not', async () => {
    const got: Message[] = [];
    const inbox = await load(got);
    const reset = message('r', 'system:reconnection_required', { payload: { reason: 'reset', message: '' } });
    take(inbox, '1', 'e-70');
    take(inbox, '2', 'f-1');
    inbox.take({ message: reset, cursor: 'f-1', acknowledge: undefined });
    take(inbox, '3', 'f-2');
    expect(got.map(({ id, type }) => (type === reset.type ? 'reset' : id))).toEqual(['1', 'reset', '2', '3']);
    expect(inbox.cursor).toBe('f-2');
  });

  test('what is encrypted is decrypted in its order, and what cannot be is told and left out', async () => {
    const [got, errors]: [Message[], unknown[]] = [[], []];
    const decrypt = async ({ payload }: Message) => {
      await later(5);
      if (payload === 'broken') throw new Error('broken');
      return { orderId: String(payload) };
    };
    const inbox = await load(got, new MemoryStorage(), { decrypt, onError: (error) => errors.push(error) });
    for (const [id, payload] of [['1', 'secret'], ['2', 'broken']] as const) {
      inbox.take({ message: message(id, 'order:updated', { payload, encrypted: true }), cursor: `e-${id}`, acknowledge: undefined });
    }
    take(inbox, '3', 'e-3');
    await eventually(() => inbox.cursor === 'e-3');
    expect(got.map(({ id, payload }) => [id, payload])).toEqual([['1', { orderId: 'secret' }], ['3', { orderId: '1' }]]);
    expect(errors).toHaveLength(1);
  });

  test('what waits for a decryption is bounded', async () => {
    const onOverflow = vi.fn();
    const inbox = await load([], new MemoryStorage(), { decrypt: () => new Promise(() => {}), onOverflow });
    inbox.take({ message: message('0', 'order:updated', { encrypted: true }), cursor: 'e-1', acknowledge: undefined });
    for (const n of [2, 3, 4]) take(inbox, `${n}`, `e-${n}`);
    expect(onOverflow).not.toHaveBeenCalled();
    take(inbox, '5', 'e-5');
    expect(onOverflow).toHaveBeenCalledOnce();
    expect(inbox.cursor).toBeUndefined();
  });
});

describe('the outbox', () => {
  const options = { messagesMax: 3, delayMs: 1, delayMsMax: 5 };
  const refusal = (code: 'overloaded' | 'payload_invalid', number: number) =>
    ({ success: false, error: { code, number, message: code } }) as const;

  test('keeps the order, repeats with the same id, and stops at what will never be taken', async () => {
    const results: OutboxResult[] = [];
    const outbox = new Outbox(new MemoryStorage(), 'key', options, (result) => results.push(result));
    const sent: string[] = [];
    let failures = 2;
    const send: Send = async (_, { id }) => {
      sent.push(id as string);
      if (id === 'a' && failures-- > 1) throw new Error('torn');
      if (id === 'a' && failures === 0) return refusal('overloaded', 1005);
      if (id === 'b') return refusal('payload_invalid', 3104);
      return { success: true, data: { id: id as string, offset: 1 } };
    };
    const published = ['a', 'b', 'c'].map((id) => outbox.publish(id, 'order:updated', { id }));
    const outcomes = Promise.allSettled(published);
    await later();
    outbox.start(send);
    const [a, b, c] = await outcomes;
    expect(sent).toEqual(['a', 'a', 'a', 'b', 'c']);
    expect([a?.status, b?.status, c?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((b as PromiseRejectedResult).reason).toMatchObject({ code: 'payload_invalid' });
    expect(results.map((result) => 'answer' in result)).toEqual([true, false, true]);
    outbox.close();
  });

  test('is bounded, and says so', async () => {
    const outbox = new Outbox(new MemoryStorage(), 'key', options, () => {});
    const published = ['1', '2', '3', '4'].map((id) => outbox.publish(id, 'order:updated', { id }));
    await expect(published[3]).rejects.toMatchObject({ code: 'outbox_full' });
    const outcomes = Promise.allSettled(published);
    outbox.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
  });

  test('publishes an id that waits already once', async () => {
    const outbox = new Outbox(new MemoryStorage(), 'key', options, () => {});
    const answers = Promise.all([outbox.publish('a', 't', { id: 'a' }), outbox.publish('a', 't', { id: 'a' })]);
    await later();
    expect(await outbox.count()).toBe(1);
    outbox.start(async (_, { id }) => ({ success: true, data: { id: id as string } }));
    expect(await answers).toEqual([{ id: 'a' }, { id: 'a' }]);
    outbox.close();
  });

  test('goes on when the storage failed for a while', async () => {
    const storage = new MemoryStorage();
    const outbox = new Outbox(storage, 'key', options, () => {});
    const failing = vi.spyOn(storage, 'nextEntry').mockRejectedValueOnce(new Error('away')).mockRejectedValueOnce(new Error('away'));
    outbox.start(async (_, { id }) => ({ success: true, data: { id: id as string } }));
    await outbox.publish('a', 't', { id: 'a' });
    expect(failing.mock.calls.length).toBeGreaterThan(2);
    outbox.close();
  });

  test('asks no other tab where the storage is the page\'s own', async () => {
    const request = vi.fn();
    vi.stubGlobal('navigator', { locks: { request } });
    const outbox = new Outbox(new MemoryStorage(), 'key', options, () => {});
    outbox.start(async (_, { id }) => ({ success: true, data: { id: id as string } }));
    await outbox.publish('a', 't', { id: 'a' });
    expect(request).not.toHaveBeenCalled();
    outbox.close();
    vi.unstubAllGlobals();
  });

  test('sends at once what is published while it runs', async () => {
    const outbox = new Outbox(new MemoryStorage(), 'key', options, () => {});
    outbox.start(async (_, { id }) => ({ success: true, data: { id: id as string } }));
    for (let n = 0; n < 50; n += 1) {
      await outbox.publish(`${n}`, 'order:updated', { id: `${n}` });
    }
    expect(await outbox.count()).toBe(0);
    outbox.close();
  });
});

describe.each([
  ['memory', () => new MemoryStorage()],
  ['IndexedDB', () => new IndexedDbStorage(`test-${Math.random()}`, 4)],
])('%s', (_, make) => {
  test('keeps a session', async () => {
    const storage = make();
    const seen = new SeenTable(4);
    expect(await storage.loadSession('key')).toBeUndefined();
    for (const n of [1, 2, 3]) {
      seen.add(`${n}`);
      storage.saveSession('key', { pid: 'p', cursor: `e-${n}`, seen, owed: ['3'] }, `${n}`);
    }
    await storage.flush();
    expect(await storage.loadSession('key')).toEqual({ pid: 'p', cursor: 'e-3', seen: ['1', '2', '3'], owed: ['3'] });
    expect(await storage.deviceId()).toBe(await storage.deviceId());
  });

  test('keeps the outbox in order, each key for itself', async () => {
    const storage = make();
    for (const id of ['1', '2', '3']) await storage.enqueue('a', { id, type: 't', message: { id } }, 3);
    expect(await storage.enqueue('a', { id: '4', type: 't', message: {} }, 3)).toBeUndefined();
    await storage.enqueue('b', { id: '5', type: 't', message: {} }, 3);
    const got: string[] = [];
    for (let entry: OutboxEntry | undefined; (entry = await storage.nextEntry('a'));) {
      got.push(entry.id);
      await storage.removeEntry('a', entry);
    }
    expect(got).toEqual(['1', '2', '3']);
    expect(await storage.countEntries('b')).toBe(1);
  });

  test('remembers so many effects', async () => {
    const storage = make();
    for (const effect of ['1', '2', '3']) {
      await storage.markDone(effect, 2);
      await later(2);
    }
    expect([await storage.isDone('1'), await storage.isDone('2'), await storage.isDone('3')]).toEqual([false, true, true]);
  });
});

describe('the tabs of a browser', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** Web Locks, as far as they are used; and the tab's own storage. */
  function browser(former?: string) {
    const held = new Set<string>();
    const request = async (name: string, options: LockOptions, run: (lock: object | null) => unknown) => {
      while (held.has(name)) {
        if (options.ifAvailable) return run(null);
        if (options.signal?.aborted) throw new Error('aborted');
        await later(5);
      }
      held.add(name);
      try {
        await run({});
      } finally {
        held.delete(name);
      }
    };
    const kept = new Map(former === undefined ? [] : [['tab', former]]);
    vi.stubGlobal('navigator', { locks: { request } });
    vi.stubGlobal('sessionStorage', {
      getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value),
    });
    return { held };
  }

  test('have a place each, up to sixteen', async () => {
    browser();
    const slots = [];
    for (let n = 1; n <= 16; n += 1) {
      vi.stubGlobal('sessionStorage', undefined);
      slots.push(await claimSlot('tab', navigator.locks));
    }
    expect(slots.map(({ number }) => number)).toEqual(Array.from({ length: 16 }, (_, n) => n + 1));
    await expect(claimSlot('tab', navigator.locks)).rejects.toThrow('16 tabs');
    slots[4]?.release();
    await later();
    expect((await claimSlot('tab', navigator.locks)).number).toBe(5);
  });

  test('keep it when they are reloaded, also where the former page lets go late', async () => {
    const { held } = browser('3');
    held.add('tab:3');
    setTimeout(() => held.delete('tab:3'), 100);
    expect((await claimSlot('tab', navigator.locks)).number).toBe(3);
  });
});

describe('the token', () => {
  test('is asked for once, and again when it ends', async () => {
    const provider = vi.fn(async () => token(CHEF, provider.mock.calls.length > 1 ? 3_600 : 1));
    const source = new TokenSource(provider);
    await Promise.all([source.current(), source.current()]);
    expect(provider.mock.calls).toEqual([['connect']]);
    await source.current();
    await source.current();
    expect(provider.mock.calls).toEqual([['connect'], ['renew']]);
  });

  test('says whose it is, and nothing where it is no JWT', () => {
    expect(readClaims(token({ ...CHEF, sub: 'müller' }))).toMatchObject({ tenantId: 'pizza-roma', userId: 'müller' });
    expect(readClaims('no token')).toEqual({});
  });
});

test('an order is what its events say', () => {
  const event = (type: string, payload: object, id = type) => message(id, type, { payload: { orderId: '1', ...payload } });
  const fold = (view: OrderView, one: Message) => foldOrder(view, one as Parameters<typeof foldOrder>[1]);
  const view = [
    event('order:created', { customerId: 'ada' }),
    event('order:status_changed', { status: 'preparing' }),
    event('order:status_changed', { status: 'preparing' }),
    event('order:status_changed', { orderId: '2', status: 'lost' }, 'other'),
    event('delivery:assigned', { assigneeId: 'luca' }),
    event('delivery:location_updated', { latitude: 1, longitude: 2 }),
    event('delivery:completed', {}),
  ].reduce<OrderView>(fold, { orderId: '1', events: [] });
  expect(view).toMatchObject({ status: 'delivered', customerId: 'ada', assigneeId: 'luca', location: { latitude: 1, longitude: 2 } });
  expect(view.events).toHaveLength(4);
});
