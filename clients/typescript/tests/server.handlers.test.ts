// What a gateway mounts: clients' requests answered and webhooks taken, on plain HTTP, Express and Fastify.

import { createHmac } from 'node:crypto';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  EventRefused, type HubRequestHandler, RequestRefused, SIGNATURE_HEADER, type WebhookDelivery, isSignedByHub, upstreamHandler,
  webhookHandler,
} from '@foodtrack/websocket-server';
import express from 'express';
import fastify from 'fastify';
import { io } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';

import { CHEF, DASHBOARD, Hub, eventually, token } from './hub.js';

const SECRET = 'what the hub and the gateway know of each other';
const quiet = { error() {} };

const ends: (() => unknown)[] = [];
afterEach(async () => { for (const end of ends.splice(0).reverse()) await end(); });

function sign(body: string, secret = SECRET, seconds = Math.floor(Date.now() / 1_000)): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub`;
}

/** The handler behind each kind of server, by name. */
const servers: Record<string, (handler: HubRequestHandler) => Promise<string>> = {
  http: (handler) => listening(createServer(handler.node)),
  express: (handler) => listening(createServer(express().post('/hub', handler.node))),
  'express behind raw': (handler) => {
    return listening(createServer(express().use(express.raw({ type: '*/*' })).post('/hub', handler.node)));
  },
  fastify: async (handler) => {
    const app = fastify();
    await app.register(handler.fastify, { prefix: '/hub' });
    // Others' bodies are parsed as ever.
    app.post('/other', async (request) => request.body);
    ends.push(() => app.close());
    return `${await app.listen({ port: 0, host: '127.0.0.1' })}/hub`;
  },
};

async function post(url: string, body: string, signature = sign(body)): Promise<{ status: number; body: unknown }> {
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: signature };
  const answer = await fetch(url, { method: 'POST', body, headers });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

const question = (event: string) => JSON.stringify({
  event, payload: { note: 'café' }, tenantId: 'pizza-roma', userId: 'carla', role: 'chef', permissions: ['read:kitchen'], connectionId: 'c1',
});

for (const [name, serve] of Object.entries(servers)) {
  test(`a request is answered in the hub's words: ${name}`, async () => {
    const url = await serve(upstreamHandler({
      'kitchen:get_orders': ({ tenantId, payload }) => [{ tenantId, payload }],
      'order:get_details': async () => { throw new RequestRefused('no such order'); },
      'admin:break': () => { throw new Error('a secret of the database'); },
    }, { secret: SECRET, logger: quiet }));
    expect(await post(url, question('kitchen:get_orders'))).toEqual({
      status: 200, body: { success: true, data: [{ tenantId: 'pizza-roma', payload: { note: 'café' } }] },
    });
    expect(await post(url, question('order:get_details'))).toEqual({ status: 200, body: { success: false, error: 'no such order' } });
    expect(await post(url, question('constructor'))).toEqual({ status: 404, body: { success: false, error: 'nobody answers constructor' } });
    const broken = await post(url, question('admin:break'));
    expect(broken.status).toBe(500);
    expect(JSON.stringify(broken.body)).not.toContain('secret of the database');
  });

  test(`hooks let in, keep out, and are no client's to ask: ${name}`, async () => {
    const url = await serve(upstreamHandler({}, {
      secret: SECRET,
      logger: quiet,
      hooks: {
        connect: ({ userId }) => { if (userId === 'carla') throw new RequestRefused('the account is closed'); },
        join: async ({ type, id, room }) => { if (room !== `${type}:pizza-roma:${id}`) throw new Error('another room'); },
      },
    }));
    const refused = { status: 200, body: { success: false, error: 'the account is closed' } };
    expect(await post(url, question('hook:connect'))).toEqual(refused);
    const join = { ...JSON.parse(question('hook:join')), payload: { room: 'order:pizza-roma:42', type: 'order', id: '42' } };
    expect(await post(url, JSON.stringify(join))).toEqual({ status: 200, body: { success: true, data: null } });
    const without = await serve(upstreamHandler({}, { secret: SECRET }));
    expect((await post(without, question('hook:connect'))).body).toMatchObject({ success: false });
  });

  test(`nobody but the hub is listened to: ${name}`, async () => {
    const taken: WebhookDelivery[] = [];
    const url = await serve(webhookHandler((delivery) => taken.push(delivery), { secret: SECRET, bodyBytesMax: 10_000, logger: quiet }));
    const body = JSON.stringify({ webhook: 'billing', tenantId: 'pizza-roma', events: [] });
    const now = Math.floor(Date.now() / 1_000);
    for (const signature of ['', 't=1', sign(body, 'another secret'), sign(body, SECRET, now - 400), sign(body, SECRET, now + 400), sign(`${body} `)]) {
      expect((await post(url, body, signature)).status, signature).toBe(401);
    }
    expect((await post(url, '{"webhook"')).status).toBe(400);
    expect((await post(url, '[]')).status).toBe(400);
    expect((await post(url, JSON.stringify('x'.repeat(20_000)))).status).toBe(413);
    expect(taken).toEqual([]);
    expect((await post(url, body)).status).toBe(200);
    expect(taken).toEqual([{ webhook: 'billing', tenantId: 'pizza-roma', isAfterGap: false, events: [] }]);
  });
}

test('a body that was parsed before is a fault that says what to do', async () => {
  const said: string[] = [];
  const handler = webhookHandler(() => {}, { secret: SECRET, logger: { error: (line) => said.push(line) } });
  const url = await listening(createServer(express().use(express.json()).post('/hub', handler.node)));
  const body = JSON.stringify({ webhook: 'billing', tenantId: 'pizza-roma', events: [] });
  expect((await post(url, body)).status).toBe(500);
  expect(said.join()).toContain('express.raw');
});

test('a secret can be changed while both are in use', () => {
  const body = Buffer.from('{}');
  for (const secret of ['old', 'new']) expect(isSignedByHub(sign('{}', secret), body, { secret: ['old', 'new'] })).toBe(true);
  expect(isSignedByHub(sign('{}', 'old'), body, { secret: 'new' })).toBe(false);
});

test('with a hub: a kitchen asks, and a receiver that fails, refuses and comes back is told of every order once in effect', async () => {
  const effects: string[] = [];
  let failures = 3;
  const upstream = upstreamHandler({
    'kitchen:get_orders': ({ userId }, { publish }) => {
      publish({ type: 'kitchen:preparation_started', payload: { orderId: '7' } });
      return [userId];
    },
  }, { secret: SECRET });
  const webhook = webhookHandler(({ events }) => {
    if (failures-- > 0) throw new Error('the database is away');
    if (events.some((event) => event.orderId === 'cursed')) throw new EventRefused('no such order in the books');
    for (const { id } of events) if (!effects.includes(id)) effects.push(id);
  }, { secret: SECRET, logger: quiet });
  const url = await listening(createServer((request, response) => {
    void (request.url === '/hub/events' ? webhook.node(request, response) : upstream.node(request, response));
  }));
  const folder = await mkdtemp(join(tmpdir(), 'foodtrack-handlers-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'hub.toml');
  await writeFile(file, `
[security]
webhookNetworks = ["127.0.0.0/8"]

[retry]
maxAttempts = 2
baseDelayMs = 20

[[webhooks]]
name = "billing"
url = "${url}/events"
secret = "${SECRET}"
events = ["order:*"]
`);
  const hub = await Hub.start({ UPSTREAM_URL: url, UPSTREAM_SECRET: SECRET }, ['--config', file]);
  ends.push(() => hub.stop());
  const socket = io(hub.url, { auth: { token: token(CHEF) }, transports: ['websocket'] });
  ends.push(() => socket.disconnect());
  const heard: string[] = [];
  const dashboard = io(hub.url, { auth: { token: token(DASHBOARD) }, transports: ['websocket'] });
  ends.push(() => dashboard.disconnect());
  dashboard.on('kitchen:preparation_started', ({ payload }) => heard.push(payload.orderId));
  await new Promise<void>((resolve) => dashboard.once('connect', resolve));
  expect(await socket.emitWithAck('kitchen:get_orders', {})).toEqual({ success: true, data: ['carla'] });
  await eventually(() => heard.length > 0, 'what the answer published');
  expect(heard).toEqual(['7']);
  const ids: string[] = [];
  for (const orderId of ['1', 'cursed', '2', '3']) {
    const id = await hub.publish('order:created', { orderId, customerId: 'ana' });
    if (orderId !== 'cursed') ids.push(id);
  }
  await eventually(() => effects.length >= ids.length, 'every order');
  expect(effects).toEqual(ids);
});
