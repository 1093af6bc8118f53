import { createRequire } from 'node:module';

import {
  type AnyMessage, ApplicationType, ErrorCode, EventType, deliveryClasses, errors, limits, orderRoom, parseCursor,
} from '@foodtrack/websocket-contract';
import { identifier, messageSchema, orderPayload, payloadSchemas, receivedSchema } from '@foodtrack/websocket-contract/schemas';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import type * as z from 'zod';
import type { OrderPayload, PayloadOf, WebSocketMessage } from '@foodtrack/websocket-contract';

import { CHEF, Hub, eventually, token } from './hub.js';

test('names are the strings on the wire', () => {
  expect(EventType.OrderStatusChanged).toBe('order:status_changed');
  expect(Object.values(ApplicationType)).toEqual(['client_app', 'tenant_dashboard', 'kitchen_app', 'delivery_app']);
  expect(deliveryClasses['delivery:location_updated']).toBe('volatile');
  expect(errors[ErrorCode.TokenExpired]).toMatchObject({ number: 2001, reaction: 'reconnect' });
  expect(orderRoom('pizza-roma', '42')).toBe('order:pizza-roma:42');
});

test('CommonJS gets the same', () => {
  const required = createRequire(import.meta.url)('@foodtrack/websocket-contract');
  expect(required.EventType).toEqual(EventType);
});

test('types follow the event', () => {
  expectTypeOf<PayloadOf<'order:created'>>().toEqualTypeOf<OrderPayload>();
  expectTypeOf<OrderPayload['orderId']>().toEqualTypeOf<string>();
  expectTypeOf<PayloadOf<'loyalty:points_earned'>>().toEqualTypeOf<unknown>();
  expectTypeOf<z.infer<typeof orderPayload>['items']>().toEqualTypeOf<OrderPayload['items']>();
  const readsOrder = (message: AnyMessage) => (message.type === 'order:assigned' ? message.payload.assigneeId : '');
  expectTypeOf(readsOrder).returns.toEqualTypeOf<string>();
  // @ts-expect-error an order has an id
  const order: OrderPayload = { customerId: 'ada' };
  expect(order).toBeDefined();
});

describe('a published message', () => {
  const created = messageSchema('order:created');

  test.each([
    ['with what must be there', { orderId: '42' }, true],
    ['with more fields, and optional ones as null', { orderId: '42', customerId: null, table: 7 }, true],
    ['without its order', { customerId: 'ada' }, false],
    ['with an empty identifier', { orderId: '' }, false],
    ['with an item that is no object', { orderId: '42', items: [1] }, false],
  ])('%s', (_, payload, isValid) => {
    expect(created.safeParse({ type: 'order:created', payload }).success).toBe(isValid);
  });

  test('names only applications that exist', () => {
    const message = { type: 'order:created', payload: { orderId: '42' } };
    expect(created.safeParse({ ...message, target: ['kitchen_app'] }).success).toBe(true);
    expect(created.safeParse({ ...message, target: [] }).success).toBe(false);
    expect(created.safeParse({ ...message, target: 'kitchen' }).success).toBe(false);
    expect(created.safeParse({ ...message, id: '42' }).success).toBe(false);
  });
});

test('an identifier is measured in characters, as the hub does', () => {
  expect(identifier.safeParse('🍕'.repeat(limits.identifierCharactersMax)).success).toBe(true);
  expect(identifier.safeParse('🍕'.repeat(limits.identifierCharactersMax + 1)).success).toBe(false);
});

test.each([
  ['k3f9-1042', { epoch: 'k3f9', through: 1042n, beyond: [] }],
  ['k3f9-4+9,12', { epoch: 'k3f9', through: 4n, beyond: [9n, 12n] }],
  ['k3f9-04', undefined],
  ['k3f9', undefined],
  [undefined, undefined],
])('a cursor is read: %s', (text, cursor) => expect(parseCursor(text)).toEqual(cursor));

describe('with a hub', () => {
  let hub: Hub;
  beforeAll(async () => { hub = await Hub.start(); });
  afterAll(() => hub?.stop());

  test('what it sends is of the schemas, and what it refuses the schemas refuse', async () => {
    const socket = io(hub.url, { auth: { token: token(CHEF), application: 'kitchen_app' }, transports: ['websocket'] });
    const got: WebSocketMessage[] = [];
    socket.onAny((_, message) => got.push(message));
    await eventually(() => socket.connected && got.length === 1, 'the greeting');
    await hub.publish('order:created', { orderId: '42', customerId: 'ada' }, { priority: 'high', target: 'kitchen_app' });
    const wrong = { orderId: '🍕'.repeat(limits.identifierCharactersMax + 1) };
    const answer = await socket.emitWithAck('kitchen:order_received', wrong);
    expect(answer.error.code).toBe(ErrorCode.PayloadInvalid);
    expect(payloadSchemas['kitchen:order_received'].safeParse(wrong).success).toBe(false);
    socket.emit('kitchen:order_received', wrong);
    await eventually(() => got.length === 3, 'the order and the refusal');
    socket.disconnect();
    expect(got.map((message) => message.type).sort())
      .toEqual(['order:created', 'system:connection_established', 'system:error']);
    for (const message of got) receivedSchema(message.type).parse(message);
  });
});
