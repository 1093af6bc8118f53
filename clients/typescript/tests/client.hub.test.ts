import { type ConnectionState, MemoryStorage, createClient } from '@foodtrack/websocket-client';
import type { ClientOptions, FoodTrackClient, TokenReason } from '@foodtrack/websocket-client';
import type { OrderPayload } from '@foodtrack/websocket-contract';
import { PayloadCipher } from '@foodtrack/websocket-contract/encryption';
import { afterEach, beforeEach, expect, expectTypeOf, test } from 'vitest';

import { CHEF, DASHBOARD, Hub, eventually, token } from './hub.js';

let hub: Hub;
const clients: FoodTrackClient[] = [];

beforeEach(async () => { hub = await Hub.start(); });
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await hub?.stop();
});

function client(options: Partial<ClientOptions> = {}): FoodTrackClient {
  const made = createClient({
    url: hub.url, application: 'kitchen_app', token: () => token(CHEF), storage: new MemoryStorage(),
    limits: { retryMs: 100, retryMsMax: 1_000, answerMs: 3_000 }, onError: () => {}, ...options,
  });
  clients.push(made);
  return made;
}

const dashboard = (options: Partial<ClientOptions> = {}) =>
  client({ application: 'tenant_dashboard', token: () => token(DASHBOARD), ...options });

async function live(made: FoodTrackClient): Promise<FoodTrackClient> {
  made.connect();
  await eventually(() => made.state.status === 'live', 'a live connection');
  return made;
}

const ids = (made: FoodTrackClient, type = '*'): string[] => {
  const got: string[] = [];
  made.on(type, ({ id, type }) => { if (!type.startsWith('system:')) got.push(id); });
  return got;
};

test('an event arrives typed, and what is published is answered', async () => {
  const kitchen = await live(client());
  const got: unknown[] = [];
  kitchen.on('order:created', (message) => {
    expectTypeOf(message.payload).toEqualTypeOf<OrderPayload>();
    got.push(message.payload.orderId);
  });
  const owner = await live(dashboard());
  const answer = await owner.publish('order:created', { orderId: '42', customerId: 'ada' });
  expect(answer).toMatchObject({ id: expect.any(String), offset: 1 });
  expect(await owner.publish('order:created', { orderId: '42', customerId: 'ada' }, { id: answer.id }))
    .toMatchObject({ id: answer.id, offset: 1, duplicate: true });
  await eventually(() => got.length === 1);
  expect(got).toEqual(['42']);
  // @ts-expect-error a status change has a status
  await expect(owner.publish('order:status_changed', { orderId: '42' })).rejects.toMatchObject({ code: 'payload_invalid' });
});

test('what comes before the first handler waits for it', async () => {
  const kitchen = await live(client());
  const id = await hub.publish('order:created', { orderId: '1' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const got = ids(kitchen, 'order:created');
  await eventually(() => got.length === 1);
  expect(got).toEqual([id]);
});

test('a client that was closed is followed by one that gets what was missed, and nothing twice', async () => {
  const storage = new MemoryStorage();
  const first = await live(client({ storage }));
  const got = ids(first);
  const published = [await hub.publish('order:created', { orderId: '1' })];
  await eventually(() => got.length === 1);
  await first.close();
  published.push(await hub.publish('order:updated', { orderId: '1' }));
  const second = client({ storage });
  const more = ids(second);
  await live(second);
  await eventually(() => more.length === 1);
  expect([...got, ...more]).toEqual(published);
});

test('the hub is killed in the middle of a stream: each event comes once, in order, and rooms are joined again', async () => {
  const kitchen = await live(client());
  const got = ids(kitchen);
  const states: ConnectionState['status'][] = [];
  kitchen.onState(({ status }) => states.push(status));
  const published: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    if (n === 10 || n === 20) {
      await hub.kill();
      await hub.start();
    }
    published.push(await hub.publish('order:updated', { orderId: '1', number: n }));
  }
  await eventually(() => got.length >= published.length);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(got).toEqual(published);
  expect(states).toContain('offline');
  await eventually(() => kitchen.state.status === 'live');
});

test('a log that was started anew is told as a gap, and its events come', async () => {
  const kitchen = await live(client());
  const got = ids(kitchen);
  const gaps: string[] = [];
  kitchen.onGap(({ payload }) => void gaps.push(payload.reason));
  await hub.publish('order:created', { orderId: '1' });
  await eventually(() => got.length === 1);
  await hub.kill();
  await eventually(() => kitchen.state.status !== 'live');
  await hub.wipe();
  await hub.start();
  // Also a hub that lost everything sees by the cursor that somebody was there before.
  await live(kitchen);
  await eventually(() => gaps.length === 1);
  const id = await hub.publish('order:created', { orderId: '1' });
  await eventually(() => got.length === 2);
  expect([gaps, got[1]]).toEqual([['reset'], id]);
});

test('what is published offline is kept, and arrives once and in order', async () => {
  const owner = await live(dashboard());
  const got: unknown[] = [];
  owner.on('order:updated', ({ payload }) => void got.push(payload['number']));
  const kitchen = await live(client());
  await hub.kill();
  await eventually(() => kitchen.state.status !== 'live');
  const answers = [0, 1, 2, 3, 4].map((number) => kitchen.publish('kitchen:order_received', { orderId: '1', number }));
  owner.on('kitchen:order_received', ({ payload }) => void got.push(payload['number']));
  await eventually(async () => await kitchen.outboxCount() === 5);
  await hub.start();
  await Promise.all(answers);
  await eventually(() => got.length >= 5);
  expect(got).toEqual([0, 1, 2, 3, 4]);
  expect(await kitchen.outboxCount()).toBe(0);
});

test('a courier\'s place is sent now or never', async () => {
  const courier = client({
    application: 'delivery_app',
    token: () => token({ tenantId: 'pizza-roma', sub: 'luca', role: 'delivery_personnel', applicationTypes: ['delivery_app'] }),
  });
  const place = { orderId: '1', latitude: 41.9, longitude: 12.5 };
  await expect(courier.publish('delivery:location_updated', place)).rejects.toMatchObject({ code: 'offline' });
  await live(courier);
  expect(await courier.publish('delivery:location_updated', place)).toEqual({ id: expect.any(String) });
});

test('a token is renewed before it ends, and the connection stays', async () => {
  const reasons: TokenReason[] = [];
  const kitchen = client({
    token: (reason) => {
      reasons.push(reason);
      return token(CHEF, reasons.length > 1 ? 3_600 : 8);
    },
  });
  await live(kitchen);
  const states: string[] = [];
  kitchen.onState(({ status }) => states.push(status));
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  expect(reasons).toEqual(['connect', 'renew']);
  expect(states).toEqual([]);
});

test('a refusal for an ended token refreshes once', async () => {
  const reasons: TokenReason[] = [];
  const good = client({
    token: (reason) => {
      reasons.push(reason);
      // The page's clock is right, and the provider's answer was old.
      return reason === 'expired' ? token(CHEF) : token(CHEF, -60);
    },
  });
  await live(good);
  expect(reasons).toContain('expired');

  const asked: TokenReason[] = [];
  const bad = client({ token: (reason) => (asked.push(reason), token(CHEF, -60)) });
  bad.connect();
  await eventually(() => bad.state.status === 'refused');
  expect(bad.state).toMatchObject({ refusal: { code: 'token_expired' } });
  expect(asked.filter((reason) => reason === 'expired')).toHaveLength(1);
});

test('where there is no token at first, it is asked for again', async () => {
  let asked = 0;
  const kitchen = client({
    token: () => {
      asked += 1;
      if (asked < 3) throw new Error('the login is away');
      return token(CHEF);
    },
  });
  await live(kitchen);
  expect(asked).toBe(3);
});

test('the hub refuses, and the client says so and waits', async () => {
  const kitchen = client({ application: 'delivery_app' });
  kitchen.connect();
  await eventually(() => kitchen.state.status === 'refused');
  expect(kitchen.state).toMatchObject({ refusal: { code: 'application_forbidden' } });
});

test('a device that connects elsewhere replaces the older connection, for good', async () => {
  const first = await live(client({ deviceId: 'tablet-1' }));
  await live(client({ deviceId: 'tablet-1' }));
  await eventually(() => first.state.status === 'replaced');
});

test('a room is joined, and joined again by a session that is new', async () => {
  const errors: unknown[] = [];
  const customer = (sub: string) => client({
    application: 'client_app', onError: (error) => errors.push(error),
    token: () => token({ tenantId: 'pizza-roma', sub, role: 'customer', applicationTypes: ['client_app'] }),
  });
  await hub.publish('order:created', { orderId: '7', customerId: 'ada' });
  const ada = await live(customer('ada'));
  const leave = ada.join('order', '7');
  const got = ids(ada);
  await hub.publish('order:status_changed', { orderId: '7', status: 'ready' });
  await eventually(() => got.length === 1);
  const other = await live(customer('bob'));
  other.join('order', '7');
  await eventually(() => errors.length === 1);
  expect(errors[0]).toMatchObject({ code: 'room_forbidden' });
  leave();
});

test('a closed client says so', async () => {
  const kitchen = await live(client());
  await kitchen.close();
  expect(kitchen.state).toEqual({ status: 'closed' });
  expect(() => kitchen.connect()).toThrow();
});

test('an encrypted event is read by who has the key, the hub\'s or their own, and by nobody on the way', async () => {
  await hub.stop();
  hub = await Hub.start({ WEBSOCKET_ENCRYPTION_KEY: '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210' });
  const own = { kid: 'ours-1', key: Buffer.alloc(32, 7).toString('base64url') };
  const [got, raw]: [unknown[], unknown[]] = [[], []];
  const ofHub = new PayloadCipher((kid) => kitchen.payloadKey(kid));
  const ofTheirs = new PayloadCipher(() => own);
  const kitchen: FoodTrackClient = client({
    decrypt: (message) => ((message.payload as { kid: string }).kid === own.kid ? ofTheirs : ofHub).decrypt(message),
  });
  kitchen.on('order:status_changed', ({ payload, encrypted }) => void got.push([payload, encrypted]));
  await live(kitchen);
  const owner = await live(dashboard());
  owner.on('order:status_changed', ({ payload, encrypted }) => void raw.push([payload, encrypted]));
  const senders = [new PayloadCipher((kid) => owner.payloadKey(kid)), ofTheirs];
  for (const [n, cipher] of senders.entries()) {
    const [id, type] = [crypto.randomUUID() as string, 'order:status_changed'];
    const payload = await cipher.encrypt({ id, type, tenantId: 'pizza-roma' }, { status: 'ready', n }, { orderId: '42' });
    await owner.publish('order:status_changed', payload, { id, encrypted: true });
  }
  await eventually(() => got.length === 2 && raw.length === 2);
  expect(got).toEqual([[{ status: 'ready', n: 0 }, false], [{ status: 'ready', n: 1 }, false]]);
  expect(raw).toMatchObject([[{ orderId: '42', kid: 'hub-1' }, true], [{ orderId: '42', kid: 'ours-1' }, true]]);
  expect(JSON.stringify(raw)).not.toContain('ready');
  const customer = client({ application: 'client_app', token: () => token({ tenantId: 'pizza-roma', sub: 'ada', role: 'customer', applicationTypes: ['client_app'] }) });
  await live(customer);
  await expect(customer.payloadKey()).rejects.toMatchObject({ code: 'permission_denied' });
});
