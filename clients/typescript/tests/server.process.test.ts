// The hub as a child process of `WebSocketServer`, and what the gateway knows of it.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Socket, io } from 'socket.io-client';
import {
  type Connection, MessagePriority, type RoutingRule, type UserRole, type WebSocketMessage, WebSocketServer,
  type WebSocketServerOptions, createWebSocketConfig, defaultWebSocketConfig, generateMessageId, mintToken,
} from '@foodtrack/websocket-server';
import { afterEach, expect, test } from 'vitest';

import { BINARY, eventually } from './hub.js';

const SECRET = 'a secret for tests of at least thirty-two bytes';
const TENANT = 'pizza-roma';
const config = createWebSocketConfig({ security: { ...defaultWebSocketConfig.security, jwtSecret: SECRET } });
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

const ends: (() => unknown)[] = [];
afterEach(async () => { for (const end of ends.splice(0).reverse()) await end(); });

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'foodtrack-server-'));
  ends.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function started(options: WebSocketServerOptions = {}, by = config): Promise<WebSocketServer> {
  const server = new WebSocketServer(by, {
    binary: BINARY, host: '127.0.0.1', dataDir: await directory(), logger: quiet, viewIntervalMs: 100, ...options,
  });
  await server.start(0);
  ends.push(() => server.stop());
  return server;
}

async function connect(server: WebSocketServer, userId: string, role: UserRole, application?: string): Promise<Socket> {
  const token = mintToken({ tenantId: TENANT, userId, role }, SECRET);
  const auth = { token, application, version: '2.1' };
  const socket = io(server.url!, { auth, transports: ['websocket'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200 });
  ends.push(() => socket.disconnect());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return socket;
}

const message = (type: string, payload: object, more: Partial<WebSocketMessage> = {}): WebSocketMessage => ({
  id: generateMessageId(), type, payload, tenantId: TENANT, timestamp: new Date(), source: 'system',
  priority: MessagePriority.MEDIUM, ...more,
});

/** Runs the README's example that has `word` in it, with its ports exchanged for free ones. */
async function example(word: string, environment: Record<string, string>, port = '0'): Promise<{ code: number | null; out: string }> {
  const readme = await readFile(new URL('../packages/server/README.md', import.meta.url), 'utf8');
  const code = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block!).find((block) => block.includes(word));
  if (code === undefined) throw new Error(`the README has no example with ${word}`);
  const file = fileURLToPath(new URL(`readme-${word.replace(/\W/g, '')}.generated.mjs`, import.meta.url));
  await writeFile(file, code.replaceAll('4001', port));
  ends.push(() => rm(file));
  const env = { ...process.env, FOODTRACK_WEBSOCKET_BINARY: BINARY, ...environment };
  const child = spawn(process.execPath, [file], { cwd: await directory(), env });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { out += String(part); });
  return { code: await new Promise((resolve) => child.once('exit', resolve)), out };
}

test('the usage of the original module works word for word', async () => {
  const environment = { JWT_SECRET: SECRET, REDIS_HOST: 'redis.internal' };
  const { code, out } = await example('wsServer.start(4001)', environment, String(await freePort()));
  expect(out).toContain('running: true');
  expect(out).toContain('broadcast');
  expect(out).toContain('redis.internal:6379 of redis is not used');
  expect(code).toBe(0);
});

test('the README\'s other examples do what they say', async () => {
  const server = await started();
  const environment = { HUB_URL: server.url!, JWT_SECRET: SECRET };
  const examples = [
    ['new Publisher', /taken: 100.*refused: payload_invalid \/orderId/s],
    ['AdminClient', /0 connections.*order:created/s],
    ['hubUrl', /running: true/],
    ['upstreamHandler', /answering/],
  ] as const;
  for (const [word, said] of examples) {
    const { code, out } = await example(word, environment);
    expect(out).toMatch(said);
    expect(code).toBe(0);
  }
});

test('the view counts connections and knows them, at once', async () => {
  const server = await started({ tenants: [TENANT] });
  const manager = server.getConnectionManager();
  const cook = await connect(server, 'carla', 'chef');
  await connect(server, 'ada', 'customer');
  await connect(server, 'till', 'system');
  await eventually(() => manager.getConnectionCount(TENANT) === 3 && server.getConnectionCount() === 3, 'three connections');
  const kitchen: Connection[] = manager.getConnectionsByApplication('kitchen_app', TENANT);
  expect(kitchen).toHaveLength(1);
  expect(kitchen[0]).toMatchObject({
    socketId: cook.id, userId: 'carla', tenantId: TENANT, applicationType: 'kitchen_app', isActive: true,
    metadata: { version: '2.1', ipAddress: '127.0.0.1' },
  });
  expect(kitchen[0]!.connectedAt).toBeInstanceOf(Date);
  expect(manager.getConnectionsByTenant(TENANT).map(({ userId }) => userId).sort()).toEqual(['ada', 'carla']);
  expect(manager.isConnectionActive(cook.id!)).toBe(true);
  expect(manager.isConnectionActive('nobody')).toBe(false);

  // A tenant that was not asked about before is followed from then on.
  expect(manager.getConnectionCount('sushi-kyoto')).toBe(0);
  await manager.followTenant('sushi-kyoto');

  const token = mintToken({ tenantId: TENANT, userId: 'carla', role: 'chef' }, SECRET);
  const user = (await manager.authenticateConnection(cook as { id: string }, token)).user!;
  manager.registerConnection(cook as { id: string }, user);
  manager.startHeartbeat(cook as { id: string });
  expect(() => manager.registerConnection({ id: 'elsewhere' }, user)).toThrow('unsupported');
  expect(() => manager.startHeartbeat({ id: 'elsewhere' })).toThrow('unsupported');
  expect(() => manager.stopHeartbeat(cook.id!)).toThrow('unsupported');
  expect(await manager.authenticateConnection({ id: 'x' }, 'nonsense')).toMatchObject({ success: false });

  await manager.removeConnection(cook.id!);
  await eventually(() => !manager.isConnectionActive(cook.id!), 'the end of a connection');
  manager.stopHeartbeat('gone');
  await expect(manager.removeConnection('nobody')).rejects.toThrow('not_found');
  expect(server.getHealthStatus()).toMatchObject({ status: expect.stringMatching(/healthy|degraded/), connections: expect.any(Number) });
  expect(server.getSocketIOServer()).toBeNull();
});

test('messages are routed by the hub\'s rules', async () => {
  const server = await started({ tenants: [TENANT], tenantId: TENANT });
  const router = server.getMessageRouter();
  const cook = await connect(server, 'carla', 'chef');
  const owner = await connect(server, 'olga', 'restaurant_owner', 'tenant_dashboard');
  await connect(server, 'ada', 'customer');
  await connect(server, 'dan', 'delivery_personnel');
  await eventually(() => server.getConnectionManager().getConnectionCount(TENANT) === 4);
  const seen: string[] = [];
  cook.on('order:created', ({ id }: { id: string }) => seen.push(id));

  const order = message('order:created', { orderId: '42' });
  const result = await router.routeMessage(order);
  expect(result.errors).toBeUndefined();
  expect(new Set(result.targetSockets)).toEqual(new Set([cook.id, owner.id]));
  await eventually(() => seen.includes(order.id));
  const narrowed = await router.routeMessage(message('order:created', { orderId: '43' }, { target: 'kitchen_app' }));
  expect(narrowed.targetSockets).toEqual([cook.id]);
  const refused = await router.routeMessage(message('order:created', {}));
  expect(refused).toMatchObject({ success: false, targetSockets: [], errors: [expect.stringContaining('payload_invalid')] });

  expect(router.validateMessage(order)).toEqual({ isValid: true });
  expect(router.validateMessage(message('order:created', {})).errors).toEqual([expect.stringContaining('payload.orderId')]);
  expect(router.validateMessage('text').isValid).toBe(false);
  expect(router.validateMessage(message('system:error', {})).isValid).toBe(false);

  const sources = router.getRoutingRules('order:created').map(({ sourceApplication }) => sourceApplication);
  expect(sources).toEqual(['client_app', 'tenant_dashboard', 'system']);
  const rule: RoutingRule = {
    eventType: 'loyalty:earned', sourceApplication: 'system', targetApplications: ['client_app'], requiresAuthentication: true,
    tenantIsolated: true, priority: 1,
  };
  await server.admin(TENANT).declareEventType({ name: 'loyalty:earned', schema: { type: 'object' } });
  await router.addRoutingRule(rule);
  expect(router.getRoutingRules('loyalty:earned')).toEqual([{ ...rule, priority: 0 }]);
  await router.removeRoutingRule('loyalty:earned', 'system');
  expect(router.getRoutingRules('loyalty:earned')).toEqual([]);
  await expect(router.addRoutingRule({ ...rule, tenantIsolated: false })).rejects.toThrow('unsupported');
  await expect(router.addRoutingRule({ ...rule, eventType: 'order:created' })).rejects.toThrow();
});

test('broadcasts go where the rules lead, and what cannot be is refused', async () => {
  const server = await started({ tenants: [TENANT] });
  const broadcaster = server.getEventBroadcaster();
  const cook = await connect(server, 'carla', 'chef');
  const ada = await connect(server, 'ada', 'customer');
  const got: string[] = [];
  for (const [name, socket] of [['cook', cook], ['ada', ada]] as const) {
    socket.onAny((type: string, { payload }: { payload?: { message?: string; orderId?: string } }) => {
      if (payload && !type.startsWith('system:')) got.push(`${name} ${type} ${payload.message ?? payload.orderId}`);
    });
  }
  const info = (text: string) => ({ type: 'notification:info', payload: { message: text }, priority: MessagePriority.LOW });
  await broadcaster.broadcastToTenant(TENANT, info('all'));
  await broadcaster.broadcastToApplication('kitchen_app', TENANT, info('kitchen'));
  await broadcaster.broadcastToMultipleApplications(['client_app', 'delivery_app'], TENANT, info('outside'));
  await broadcaster.broadcastToRoom(`app:${TENANT}:client_app`, info('room of clients'));
  await eventually(() => got.length === 5, `five events: ${got.join(', ')}`);
  expect(got.sort()).toEqual([
    'ada notification:info all', 'ada notification:info outside', 'ada notification:info room of clients',
    'cook notification:info all', 'cook notification:info kitchen',
  ]);

  await server.publisher(TENANT).publish({ type: 'order:created', payload: { orderId: '7', customerId: 'ada' } });
  await ada.emitWithAck('subscribe:order', '7');
  await broadcaster.broadcastToRoom(`order:${TENANT}:7`, { type: 'order:status_changed', payload: { status: 'ready' }, priority: 'high' });
  await eventually(() => got.includes('ada order:status_changed 7'));
  await expect(broadcaster.broadcastToRoom(`order:${TENANT}:7`, info('x'))).rejects.toThrow('do not lead');
  const other = { type: 'order:updated', payload: { orderId: '8' }, priority: MessagePriority.LOW };
  await expect(broadcaster.broadcastToRoom(`order:${TENANT}:7`, other)).rejects.toThrow('not to');
  await expect(broadcaster.broadcastToRoom(`user:${TENANT}:ada`, info('x'))).rejects.toThrow('unsupported');
});

test('an event for one socket reaches it alone, and nobody\'s who may not read it', async () => {
  const server = await started({ tenants: [TENANT] });
  const broadcaster = server.getEventBroadcaster();
  const [cook, second, ada] = [
    await connect(server, 'carla', 'chef'), await connect(server, 'carla', 'chef'), await connect(server, 'ada', 'customer'),
  ];
  const got: string[] = [];
  for (const [name, socket] of [['cook', cook], ['second', second], ['ada', ada]] as const) {
    socket.onAny((type: string, { payload, priority }: { payload?: { message?: string }; priority?: string }) => {
      if (type === 'notification:info') got.push(`${name} ${payload?.message} ${priority}`);
    });
  }
  const info = (text: string) => ({ type: 'notification:info', payload: { message: text }, priority: MessagePriority.HIGH });
  await broadcaster.broadcastToSocket(cook.id!, info('for you'));
  await broadcaster.broadcastToTenant(TENANT, info('all'));
  await eventually(() => got.length === 4, `four events: ${got.join(', ')}`);
  expect(got.sort()).toEqual(['ada all high', 'cook all high', 'cook for you high', 'second all high']);
  const stock = { ingredientId: 'flour', currentStock: 1, minimumStock: 2 };
  await expect(broadcaster.broadcastToSocket(ada.id!, { type: 'inventory:low_stock', payload: stock, priority: MessagePriority.LOW }))
    .rejects.toThrow('permission_denied');
  await expect(broadcaster.broadcastToSocket(cook.id!, { type: 'notification:info', payload: {}, priority: MessagePriority.LOW }))
    .rejects.toThrow('payload_invalid');
  await expect(broadcaster.broadcastToSocket('nobody', info('x'))).rejects.toThrow('not_found');
});

test('a view has all connections of a tenant, however many', async () => {
  const rateLimiting = { windowMs: 60_000, maxRequests: 100_000 };
  const many = createWebSocketConfig({ security: { ...config.security, rateLimiting } });
  const server = await started({ tenants: [TENANT] }, many);
  const manager = server.getConnectionManager();
  const all = 1_050;
  // Streams of events: the least that a connection is.
  const listen = (_: unknown, at: number) => new Promise<void>((resolve, reject) => {
    const token = mintToken({ tenantId: TENANT, userId: `till-${at}`, role: 'chef' }, SECRET);
    const request = get(`${server.url}/events`, { agent: false, headers: { Authorization: `Bearer ${token}` } }, (answer) => {
      answer.once('data', () => resolve()).once('error', reject);
    });
    request.once('error', reject);
    ends.push(() => request.off('error', reject).on('error', () => undefined).destroy());
  });
  for (let opened = 1; opened < all; opened += 50) {
    await Promise.all(Array.from({ length: Math.min(50, all - opened) }, listen));
  }
  const last = await connect(server, 'carla', 'chef');
  await eventually(() => manager.getConnectionsByTenant(TENANT).length === all, 'all connections', 30_000);
  expect(manager.getConnectionCount(TENANT)).toBe(all);
  expect(manager.isConnectionActive(last.id!)).toBe(true);
  expect(new Set(manager.getConnectionsByTenant(TENANT).map(({ socketId }) => socketId)).size).toBe(all);
});

test('a hub that dies is started again on its port, and nothing is lost', async () => {
  const lines: string[] = [];
  const pids: number[] = [];
  const take = (text: string, fields?: Record<string, unknown>) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`);
  const server = await started({ tenants: [TENANT], logger: { debug: take, info: take, warn: take, error: take }, restartMs: 50 });
  const cook = await connect(server, 'carla', 'chef');
  const seen = new Set<string>();
  cook.on('order:created', ({ payload }: { payload: { orderId: string } }) => seen.add(payload.orderId));
  await eventually(() => server.getConnectionCount() === 1);
  const before = server.url;
  const health = await server.admin(TENANT).health();
  expect(health.uptime).toBeGreaterThan(0);
  pids.push(server.pid!);
  process.kill(pids[0]!, 'SIGKILL');
  await eventually(() => !server.isRunning(), 'its end');
  expect(server.getConnectionCount()).toBe(0);
  expect(server.getHealthStatus().status).toBe('unhealthy');
  const published = server.publisher(TENANT).publish({ type: 'order:created', payload: { orderId: 'meanwhile' } });
  await eventually(() => server.isRunning(), 'its return');
  expect((await published).offset).toBeGreaterThan(0);
  expect(server.url).toBe(before);
  expect(server.pid!).not.toBe(pids[0]);
  await eventually(() => seen.has('meanwhile') && server.getConnectionCount() === 1, 'the cook\'s return');
  expect(lines.join('\n')).toContain('starting it again in 50 ms');
  expect(lines.join('\n')).toMatch(/^listening .*"shards"/m);
  await server.stop();
  expect(server.isRunning()).toBe(false);
  expect(() => process.kill(pids[0]!, 0)).toThrow();
});

test('a port that is taken, a wrong configuration, a wrong secret: each is told', async () => {
  const server = await started();
  const port = Number(new URL(server.url!).port);
  const other = new WebSocketServer(config, { binary: BINARY, host: '127.0.0.1', inMemory: true, logger: quiet });
  await expect(other.start(port)).rejects.toMatchObject({ code: 'port_taken', message: expect.stringContaining('in use') });
  const origins = { ...config, cors: { ...config.cors, origin: ['no origin'] } };
  const wrong = new WebSocketServer(origins, { binary: BINARY, inMemory: true, logger: quiet });
  await expect(wrong.start(0)).rejects.toMatchObject({ code: 'config_refused', message: expect.stringContaining('no origin') });
  const key = { ...config, security: { ...config.security, encryptionKey: 'x' } };
  await expect(new WebSocketServer(key, { binary: BINARY, inMemory: true, logger: quiet }).start(0)).rejects.toMatchObject({ code: 'config_refused', message: expect.stringContaining('security.encryptionKey') });
  const secret = { ...config, security: { ...config.security, jwtSecret: `${SECRET}, another` } };
  const stranger = new WebSocketServer(secret, { hubUrl: server.url!, logger: quiet });
  await expect(stranger.start()).rejects.toMatchObject({ code: 'config_refused' });
  const nobody = new WebSocketServer(config, { hubUrl: `http://127.0.0.1:${await freePort()}`, logger: quiet, startTimeoutMs: 300 });
  await expect(nobody.start()).rejects.toMatchObject({ code: 'unreachable' });

  const second = new WebSocketServer(config, { hubUrl: server.url!, logger: quiet });
  await second.start();
  await expect(second.start()).rejects.toThrow('started already');
  await second.stop();
  expect(server.isRunning()).toBe(true);
});

test('the hub ends with its parent', async () => {
  const script = fileURLToPath(new URL('orphan.generated.mjs', import.meta.url));
  await writeFile(script, `import { HubProcess } from '@foodtrack/websocket-server';
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const hub = await HubProcess.start({ port: 0, host: '127.0.0.1', inMemory: true, logger });
    console.log(hub.pid);`);
  ends.push(() => rm(script));
  const child = spawn(process.execPath, [script], { env: { ...process.env, FOODTRACK_WEBSOCKET_BINARY: BINARY, JWT_SECRET: SECRET } });
  const pid = await new Promise<number>((resolve) => child.stdout.once('data', (part) => resolve(Number(part))));
  child.kill('SIGTERM');
  expect(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))).toBe('SIGTERM');
  const isGone = () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };
  await eventually(isGone, 'the end of the hub');
});
