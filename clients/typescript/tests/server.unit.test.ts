// What a publisher does, against a server that answers as each test says.

import { type IncomingMessage, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  ApplicationType, ConnectionManager, EventType, HubError, type PublishableMessage, Publisher, type PublisherOptions, QueueStatus,
  WebSocketServer, calculateRetryDelay, createWebSocketConfig, defaultWebSocketConfig, mintToken, verifyToken,
} from '@foodtrack/websocket-server';
import { afterEach, expect, test } from 'vitest';


const SECRET = 'a secret for tests of at least thirty-two bytes';
const problem = (code: string, number: number, more: object = {}) =>
  ({ type: `/api/v1/errors/${code}`, title: '', status: 400, detail: 'no', success: false, code, number, ...more });

interface Call { path: string; token: string; events: { id: string; payload: { orderId: string } }[] }
type Reply = { status?: number; body: unknown } | 'break' | 'hang';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const text = async (request: IncomingMessage) => {
  let all = '';
  for await (const part of request) all += String(part);
  return all;
};

/** What was asked, and where; each call is answered by `answer`, or as accepted. */
async function hubThat(answer: (call: Call, nth: number) => Reply | undefined | Promise<Reply | undefined> = () => undefined) {
  const calls: Call[] = [];
  const sockets = new Set<unknown>();
  server = createServer((request, response) => void (async () => {
    const body = JSON.parse(await text(request)) as Call['events'][0] & { events?: Call['events'] };
    const call = { path: request.url ?? '', token: request.headers.authorization ?? '', events: body.events ?? [body] };
    sockets.add(request.socket);
    calls.push(call);
    const accepted = call.events.map(({ id }) => ({ success: true, data: { id, offset: 1 } }));
    const ok: Reply = { body: { success: true, data: body.events ? accepted : accepted[0]!.data } };
    const reply: Reply = (await answer(call, calls.length)) ?? ok;
    if (reply === 'hang') return;
    if (reply === 'break') return void request.socket.destroy();
    response.writeHead(reply.status ?? 200, { 'Content-Type': 'application/json' }).end(JSON.stringify(reply.body));
  })());
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { calls, sockets, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const order = (orderId: string | number): PublishableMessage => ({ type: 'order:created', payload: { orderId: String(orderId) } });
const publisherOf = (url: string, more: Partial<PublisherOptions> = {}) => new Publisher({ url, token: 'token', retryMs: 5, ...more });
const ordersOf = (calls: Call[]) => calls.map(({ events }) => events.map(({ payload }) => payload.orderId));
const codeOf = (promise: Promise<unknown>) => promise.then(() => 'taken', (error: HubError) => error.code);

test('events of one turn go in batches of their order, over one connection', async () => {
  const { calls, sockets, url } = await hubThat();
  const publisher = publisherOf(url, { batchEventsMax: 2 });
  const answers = await Promise.all([1, 2, 3, 4, 5].map((id) => publisher.publish(order(id))));
  expect(ordersOf(calls)).toEqual([['1', '2'], ['3', '4'], ['5']]);
  expect(calls.map(({ path }) => path)).toEqual(['/api/v1/publish/batch', '/api/v1/publish/batch', '/api/v1/publish']);
  expect(answers.map(({ id }) => id)).toEqual(calls.flatMap(({ events }) => events.map(({ id }) => id)));
  await Promise.all(Array.from({ length: 40 }, (_, id) => publisher.publish(order(id))));
  expect(calls).toHaveLength(23);
  expect(sockets.size).toBeLessThan(4); // Node opens a second one where the first is not free at once
});

test('a batch has no more bytes than its bound, and a lower bound of the hub is found', async () => {
  const { calls, url } = await hubThat(({ events }) =>
    (events.length > 2 ? { status: 413, body: problem('payload_too_large', 3105) } : undefined));
  const publisher = publisherOf(url, { batchBytesMax: 450 });
  await Promise.all([1, 2, 3, 4, 5, 6].map((id) => publisher.publish(order(id))));
  expect(calls[0]!.events).toHaveLength(4);
  expect(ordersOf(calls).slice(1).flat()).toEqual(['1', '2', '3', '4', '5', '6']);
});

test('what may succeed later is repeated under the same id, after the pause that was asked for', async () => {
  const { calls, url } = await hubThat(({ events }, nth) => (nth > 1 ? undefined : {
    body: {
      success: true,
      data: [
        { success: true, data: { id: events[0]!.id, offset: 1 } },
        problem('tenant_rate_limited', 1002, { retryAfterMs: 120 }),
        problem('payload_invalid', 3104, { pointer: '/orderId' }),
      ],
    },
  }));
  const publisher = publisherOf(url);
  const began = Date.now();
  const outcomes = await publisher.publishBatch([1, 2, 3].map(order));
  expect(outcomes.map(({ success }) => success)).toEqual([true, true, false]);
  expect(outcomes[2]).toMatchObject({ error: { code: 'payload_invalid', number: 3104, pointer: '/orderId', detail: 'no' } });
  expect(ordersOf(calls)).toEqual([['1', '2', '3'], ['2']]);
  expect(calls[1]!.events[0]!.id).toBe(calls[0]!.events[1]!.id);
  expect(Date.now() - began).toBeGreaterThanOrEqual(119);
});

test('a broken connection and a silent hub are tried again', async () => {
  const replies: Reply[] = ['break', 'hang', { status: 502, body: 'bad gateway' }];
  const { calls, url } = await hubThat(() => replies.shift());
  const answer = await publisherOf(url, { timeoutMs: 100 }).publish(order(1));
  expect(calls).toHaveLength(4);
  expect(new Set(calls.map(({ events }) => events[0]!.id))).toEqual(new Set([answer.id]));
});

test('an event that spoils its batch is refused alone', async () => {
  const { url } = await hubThat(({ events }) => {
    const place = events.findIndex(({ payload }) => payload.orderId === 'bad');
    if (place < 0) return undefined;
    return { status: 400, body: problem('message_malformed', 3101, { pointer: events.length > 1 ? `/events/${place}/type` : '/type' }) };
  });
  const publisher = publisherOf(url);
  const codes = await Promise.all(['a', 'bad', 'b'].map((id) => codeOf(publisher.publish(order(id)))));
  expect(codes).toEqual(['taken', 'message_malformed', 'taken']);
});

test('who is given up is told why', async () => {
  const { url } = await hubThat(() => ({ status: 503, body: problem('overloaded', 1005) }));
  const error = await publisherOf(url, { giveUpMs: 50 }).publish(order(1)).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(HubError);
  expect(error).toMatchObject({ code: 'overloaded', isRetryable: true });
});

test('a full buffer refuses, or waits in order', async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => { open = resolve; });
  const { calls, url } = await hubThat(async () => { await gate; return undefined; });

  const strict = publisherOf(url, { bufferEventsMax: 2, whenFull: 'reject' });
  const first = [1, 2, 3].map((id) => codeOf(strict.publish(order(id))));
  expect(await first[2]).toBe('buffer_full');

  const patient = publisherOf(url, { bufferEventsMax: 2, batchEventsMax: 1 });
  const second = [1, 2, 3, 4, 5].map((id) => codeOf(patient.publish(order(`p${id}`))));
  expect(patient.pending).toBe(5);
  expect(await second[4]).toBe('buffer_full');
  const flushed = patient.flush();
  open();
  expect(await Promise.all([...first.slice(0, 2), ...second.slice(0, 4)])).toEqual(Array(6).fill('taken'));
  await flushed;
  expect(patient.pending).toBe(0);
  expect(ordersOf(calls).flat().filter((id) => id.startsWith('p'))).toEqual(['p1', 'p2', 'p3', 'p4']);

  const small = publisherOf(url, { bufferBytesMax: 150, whenFull: 'reject' });
  const third = [1, 2].map((id) => codeOf(small.publish(order(id))));
  expect(await Promise.all(third)).toEqual(['taken', 'buffer_full']);
});

test('closing waits for answers, and no longer than it may', async () => {
  const { url } = await hubThat();
  const publisher = publisherOf(url);
  const taken = codeOf(publisher.publish(order(1)));
  await publisher.close();
  expect(await taken).toBe('taken');
  expect(await codeOf(publisher.publish(order(2)))).toBe('closed');

  const silent = await hubThat(() => 'hang');
  const other = publisherOf(silent.url, { closeMs: 50 });
  const lost = codeOf(other.publish(order(1)));
  await other.close();
  expect(await lost).toBe('closed');
});

test('a token is asked for again before it ends, and once where the hub calls it expired', async () => {
  let given = 0;
  const token = (seconds: number) => () => {
    given += 1;
    return mintToken({ tenantId: 't', userId: `u${given}`, role: 'system' }, SECRET, { expiresInSeconds: seconds });
  };
  const { calls, url } = await hubThat((_, nth) => (nth === 3 ? { status: 401, body: problem('token_expired', 2001) } : undefined));
  const short = publisherOf(url, { token: token(1) });
  await short.publish(order(1));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await short.publish(order(2));
  expect(given).toBe(2);
  await publisherOf(url, { token: token(3_600) }).publish(order(3));
  expect(given).toBe(4);
  expect(calls[2]!.token).not.toBe(calls[3]!.token);
  expect(calls[2]!.events[0]!.id).toBe(calls[3]!.events[0]!.id);
});

test('a function that gives no token for now is asked again', async () => {
  const { url } = await hubThat();
  let asked = 0;
  const token = () => (++asked < 3 ? Promise.reject(new Error('the vault is away')) : 'token');
  expect(await codeOf(publisherOf(url, { token }).publish(order(1)))).toBe('taken');
});

test('what is no JSON is told its caller alone', async () => {
  const { url } = await hubThat();
  const publisher = publisherOf(url);
  const round: Record<string, unknown> = {};
  round['itself'] = round;
  await expect(publisher.publish({ type: 'order:created', payload: { orderId: '1', round } })).rejects.toThrow(TypeError);
  expect(await codeOf(publisher.publish(order(2)))).toBe('taken');
});

test('tokens have the claims of their role, and wrong ones are not signed', () => {
  const claims = { tenantId: 'pizza-roma', userId: 'carla', role: 'chef', permissions: [] } as const;
  const token = mintToken(claims, SECRET, { issuer: 'gateway', expiresInSeconds: 60 });
  expect(verifyToken(token, SECRET)).toEqual({
    tenantId: 'pizza-roma', userId: 'carla', role: 'chef', applicationTypes: ['kitchen_app'], permissions: [],
  });
  expect(() => verifyToken(token, `${SECRET}!`)).toThrow('token_signature');
  expect(() => verifyToken('a.b', SECRET)).toThrow('token_malformed');
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`;
  expect(() => verifyToken(unsigned, SECRET)).toThrow('token_algorithm');
  expect(() => mintToken({ tenantId: 'pizza roma', userId: 'carla', role: 'chef' }, SECRET)).toThrow('tenantId');
  expect(() => mintToken({ tenantId: 'pizza-roma', userId: '', role: 'chef' }, SECRET)).toThrow('userId');
  expect(() => mintToken({ tenantId: 'pizza-roma', userId: 'carla', role: 'king' as 'chef' }, SECRET)).toThrow('role');
  expect(() => mintToken({ tenantId: 'pizza-roma', userId: 'carla', role: 'chef' }, 'short')).toThrow('32 bytes');
});

test('names have the contract\'s members, and capitals', () => {
  expect(EventType.ORDER_STATUS_CHANGED).toBe('order:status_changed');
  expect(EventType.OrderStatusChanged).toBe('order:status_changed');
  expect(ApplicationType.KITCHEN_APP).toBe('kitchen_app');
  expect(QueueStatus.PENDING).toBe('pending');
});

test('retry delays grow to their bound', () => {
  const config = { ...defaultWebSocketConfig.retry, jitter: false };
  expect([0, 1, 2, 10].map((attempt) => calculateRetryDelay(attempt, config))).toEqual([1_000, 2_000, 4_000, 30_000]);
  for (let times = 0; times < 100; times += 1) {
    const delay = calculateRetryDelay(1, { ...config, jitter: true });
    expect(delay).toBeGreaterThanOrEqual(1_500);
    expect(delay).toBeLessThanOrEqual(2_500);
  }
});

test('without a secret nothing is started', async () => {
  const security = (jwtSecret: string) => createWebSocketConfig({ security: { ...defaultWebSocketConfig.security, jwtSecret } });
  const before = process.env['JWT_SECRET'];
  delete process.env['JWT_SECRET'];
  try {
    await expect(new WebSocketServer(createWebSocketConfig()).start(0)).rejects.toThrow('JWT_SECRET is not set');
    await expect(new WebSocketServer(security('short')).start(0)).rejects.toThrow('at least 32 bytes');
    const missing = new WebSocketServer(security(SECRET), { binary: '/nowhere/foodtrack-websocket' });
    await expect(missing.start(0)).rejects.toThrow('FOODTRACK_WEBSOCKET_BINARY');
    expect(missing.isRunning()).toBe(false);
    expect(missing.getHealthStatus().status).toBe('unhealthy');
  } finally {
    if (before !== undefined) process.env['JWT_SECRET'] = before;
  }
});

test('a part that belongs to no server says so', () => {
  expect(() => new ConnectionManager(defaultWebSocketConfig.heartbeat).getConnectionCount()).toThrow('belongs to no WebSocketServer');
});

