// Publishing and administering over the HTTP API of a real hub.

import { type Socket, io } from 'socket.io-client';
import {
  AdminClient, HubError, Publisher, type TokenClaims, UserRole, mintToken, publish, publishBatch,
} from '@foodtrack/websocket-server';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Hub, eventually } from './hub.js';

const SECRET = 'a secret for tests of at least thirty-two bytes';
const TENANT = 'pizza-roma';

let hub: Hub;
const sockets: Socket[] = [];
beforeAll(async () => { hub = await Hub.start(); });
afterAll(() => hub.stop());
afterEach(() => { for (const socket of sockets.splice(0)) socket.disconnect(); });

const tokenOf = (role: TokenClaims['role'], more: Partial<TokenClaims> = {}) =>
  mintToken({ tenantId: TENANT, userId: `u-${role}`, role, ...more }, SECRET);
const backEnd = (tenantId = TENANT) => ({ url: hub.url, token: () => tokenOf('system', { tenantId }) });

async function connect(token: string, auth: object = {}): Promise<Socket> {
  const socket = io(hub.url, { auth: { token, ...auth }, transports: ['websocket'], reconnection: false, forceNew: true });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return socket;
}

async function refusal(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(() => new Error('it was taken'), (error: unknown) => error);
  if (error instanceof HubError) return error;
  throw error;
}

test('the hub takes the token of each role', async () => {
  const admin = new AdminClient(backEnd());
  for (const role of new Set(Object.values(UserRole))) {
    const isOfSeveral = role.startsWith('restaurant') || role === 'admin';
    const socket = await connect(tokenOf(role), isOfSeveral ? { application: 'tenant_dashboard' } : {});
    const { connections } = await admin.connections({ user: `u-${role}` });
    expect(connections.map(({ id }) => id)).toEqual([socket.id]);
    expect(connections[0]!.role).toBe(role);
  }
});

test('who is online and which nodes there are is listed', async () => {
  const admin = new AdminClient(backEnd());
  await connect(tokenOf('chef'));
  const { online } = await admin.presence({ application: 'kitchen_app', user: 'u-chef' });
  expect(online).toMatchObject([{ user: 'u-chef', application: 'kitchen_app', device: null, connections: 1 }]);
  const { nodes, isMixed } = await admin.nodes();
  expect(nodes).toMatchObject([{ isSelf: true, draining: false }]);
  expect(isMixed).toBe(false);
  expect((await refusal(new AdminClient({ url: hub.url, token: () => tokenOf('restaurant_owner') }).nodes())).code).toBe('permission_denied');
});

test('an event reaches those it is for, and the same id once', async () => {
  const cook = await connect(tokenOf('chef'));
  const seen: string[] = [];
  cook.on('order:created', ({ id }: { id: string }) => seen.push(id));
  const id = '5f9d1c9e-6f0b-4a5e-9d0f-0d5a1c1f0a01';
  const first = await publish(backEnd(), { id, type: 'order:created', payload: { orderId: 'once' } });
  expect(first.offset).toBeGreaterThan(0);
  expect(await publish(backEnd(), { id, type: 'order:created', payload: { orderId: 'once' } })).toEqual({ ...first, duplicate: true });
  await eventually(() => seen.length > 0);
  const second = await publish(backEnd(), { type: 'order:created', payload: { orderId: 'twice' } });
  await eventually(() => seen.includes(second.id));
  expect(seen).toEqual([id, second.id]);
});

test('of a batch the wrong event is refused alone', async () => {
  const outcomes = await publishBatch(backEnd(), [
    { type: 'order:created', payload: { orderId: 'b1' } },
    { type: 'kitchen:preparation_started', payload: {} } as never,
    { type: 'order:updated', payload: { orderId: 'b1' } },
  ]);
  expect(outcomes.map(({ success }) => success)).toEqual([true, false, true]);
  expect(outcomes[1]).toMatchObject({ error: { code: 'payload_invalid', number: 3104, pointer: '/orderId', isRetryable: false } });
});

test('tokens that are wrong are refused by their code', async () => {
  const event = { type: 'notification:info', payload: { message: 'hello' } } as const;
  const code = async (token: string) => (await refusal(publish({ url: hub.url, token }, event))).code;
  expect(await code('nonsense')).toBe('token_malformed');
  expect(await code(mintToken({ tenantId: TENANT, userId: 'x', role: 'system' }, `${SECRET}, another one`))).toBe('token_signature');
  expect(await code(tokenOf('chef'))).toBe('permission_denied');
  expect((await refusal(new Publisher({ url: hub.url, token: 'nonsense' }).publish(event))).code).toBe('token_malformed');
});

test('another tenant\'s token publishes for no other tenant, and sees nothing', async () => {
  await connect(tokenOf('chef'));
  const other = await refusal(publish(backEnd('sushi-kyoto'), { type: 'notification:info', payload: { message: 'hi' }, tenantId: TENANT }));
  expect(other.code).toBe('tenant_mismatch');
  const list = await new AdminClient(backEnd('sushi-kyoto')).connections();
  expect(list.counts.total).toBe(0);
  expect(list.connections).toEqual([]);
});

test('connections are listed, and ended by id, user and device', async () => {
  const admin = new AdminClient(backEnd('trattoria'));
  const chef = (userId: string, deviceId: string) => tokenOf('chef', { tenantId: 'trattoria', userId, deviceId });
  const [one, two, three] = [await connect(chef('ann', 'a')), await connect(chef('bob', 'b')), await connect(chef('cid', 'c'))];
  expect((await admin.connections({ limit: 1 })).nextCursor).toBeDefined();
  const listed = new Set<string>();
  for await (const { id } of admin.eachConnection({ limit: 1 })) listed.add(id);
  expect(listed).toEqual(new Set([one.id, two.id, three.id]));
  expect(await admin.disconnectConnection(one.id!)).toEqual({ disconnected: 1 });
  expect(await admin.disconnectUser('bob')).toEqual({ disconnected: 1 });
  expect(await admin.disconnectDevice('c')).toEqual({ disconnected: 1 });
  await eventually(() => [one, two, three].every(({ connected }) => !connected));
  expect((await refusal(admin.disconnectConnection('nobody'))).code).toBe('not_found');
});

test('rooms, grants, event types, rules and explanations', async () => {
  const admin = new AdminClient(backEnd('osteria'));
  const room = 'order:osteria:7';
  expect((await admin.describeRoom(room, { isPrivate: true, tags: ['vip'] })).metadata).toMatchObject({ isPrivate: true, tags: ['vip'] });
  expect((await admin.rooms()).rooms.map(({ name }) => name)).toContain(room);
  expect(await admin.grant(room, 'ada')).toEqual({ room, user: 'ada', granted: true });
  expect(await admin.revoke(room, 'ada')).toEqual({ room, user: 'ada', granted: false });

  const loyalty = { name: 'loyalty:earned', schema: { type: 'object', required: ['points'] } };
  await admin.declareEventType(loyalty, { dryRun: true });
  expect(await admin.eventTypes()).toEqual([]);
  await admin.declareEventType(loyalty);
  expect((await admin.eventTypes()).map(({ name }) => name)).toEqual(['loyalty:earned']);
  const rule = { id: 'loyalty', events: 'loyalty:earned', from: ['system' as const], to: ['client_app' as const] };
  await admin.addRule(rule, { dryRun: true });
  expect((await admin.explain({ event: 'loyalty:earned' })).destinations).toEqual([]);
  await admin.addRule(rule);
  expect((await admin.explain({ event: 'loyalty:earned' })).destinations.map(({ to }) => to)).toEqual(['client_app']);
  await publish(backEnd('osteria'), { type: 'loyalty:earned', payload: { points: 3 } });
  await admin.removeRule('loyalty');
  await admin.withdrawEventType('loyalty:earned');
  expect(await admin.eventTypes()).toEqual([]);
  expect((await refusal(admin.removeRule('loyalty'))).code).toBe('not_found');
});

test('the log is read part by part, and health and figures are there', async () => {
  const admin = new AdminClient(backEnd('cantina'));
  const publisher = new Publisher(backEnd('cantina'));
  const orders = [1, 2, 3, 4, 5].map((id) => ({ type: 'order:created' as const, payload: { orderId: String(id) } }));
  const answers = await Promise.all(orders.map((order) => publisher.publish(order)));
  const read = async () => {
    const parts: string[][] = [];
    for await (const { entries } of admin.log({ limit: 2 })) parts.push(entries.map(({ id }) => id));
    return parts;
  };
  await eventually(async () => (await read()).flat().length === 5);
  expect((await read()).flat()).toEqual(answers.map(({ id }) => id));
  expect((await read()).length).toBeGreaterThan(2);
  expect(await admin.deadLetters()).toEqual([]);
  expect((await refusal(admin.deadLetter(1))).code).toBe('not_found');
  expect((await admin.health()).status).toMatch(/healthy|degraded/);
  expect((await admin.ready()).ready).toBe(true);
  expect((await admin.performance()).cpuUsage).toBeGreaterThanOrEqual(0);
});

test('nothing is lost or doubled while the hub is killed and started again', async () => {
  const mortal = await Hub.start();
  try {
    const access = { url: mortal.url, token: () => tokenOf('system') };
    const publisher = new Publisher({ ...access, batchEventsMax: 20, bufferEventsMax: 5_000, retryMs: 20, retryMsMax: 200 });
    const answers: Promise<{ id: string }>[] = [];
    let taken = 0;
    const wave = (from: number) => {
      for (let at = from; at < from + 400; at += 1) {
        const answer = publisher.publish({ type: 'order:created', payload: { orderId: String(at) } });
        answer.then(() => { taken += 1; }, () => undefined);
        answers.push(answer);
      }
    };
    wave(0);
    await eventually(() => taken > 40);
    await mortal.kill();
    wave(400);
    await mortal.start();
    await eventually(() => taken > 500);
    await mortal.kill();
    await mortal.start();
    wave(800);
    await publisher.close();
    const ids = (await Promise.all(answers)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(1_200);
    const kept: string[] = [];
    const orders: number[] = [];
    const read = async () => {
      kept.length = 0;
      orders.length = 0;
      for await (const { entries } of new AdminClient(access).log({ limit: 1_000 })) {
        for (const { id, orderId } of entries) {
          kept.push(id);
          orders.push(Number(orderId));
        }
      }
      return kept.length >= ids.length;
    };
    await eventually(read);
    expect(kept).toHaveLength(1_200);
    expect(new Set(kept)).toEqual(new Set(ids));
    expect(orders).toEqual(orders.slice().sort((a, b) => a - b));
  } finally {
    await mortal.stop();
  }
});
