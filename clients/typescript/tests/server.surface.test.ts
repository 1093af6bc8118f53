// The names, members and types that FoodTrack's gateway imports.

import { createRequire } from 'node:module';

import * as server from '@foodtrack/websocket-server';
import type {
  ApplicationType, AuthResult, AuthenticatedUser, Connection, ConnectionManager, ConnectionMetadata, EventBroadcaster, EventType,
  HealthStatus, HeartbeatConfig, MessagePriority, MessageRouter, PerformanceMetrics, Permission, QueueStatus, QueuedMessage,
  RetryConfig, Room, RoomMetadata, RoomType, RoutingResult, RoutingRule, UserRole, ValidationResult, WebSocketConfig, WebSocketEvent,
  WebSocketMessage, WebSocketServer,
} from '@foodtrack/websocket-server';
import { expect, expectTypeOf, test } from 'vitest';

const NAMES = [
  'UserRole', 'Permission', 'ApplicationType', 'EventType', 'MessagePriority', 'RoomType', 'QueueStatus', 'ConnectionManager',
  'MessageRouter', 'EventBroadcaster', 'WebSocketServer', 'defaultWebSocketConfig', 'createWebSocketConfig', 'generateMessageId',
  'calculateRetryDelay', 'createTenantRoom', 'createApplicationRoom', 'createOrderRoom', 'isValidTenantId', 'isValidSocketId',
  'getCurrentTimestamp', 'isWithinTimeWindow',
];

test('every name is there, imported and required', () => {
  const required = createRequire(import.meta.url)('@foodtrack/websocket-server') as Record<string, unknown>;
  for (const name of NAMES) {
    expect(server, name).toHaveProperty(name);
    expect(required, name).toHaveProperty(name);
  }
});

test('members have their types', () => {
  expectTypeOf<AuthenticatedUser>().toEqualTypeOf<{
    userId: string; tenantId: string; role: UserRole; applicationTypes: ApplicationType[]; permissions: Permission[];
  }>();
  expectTypeOf<AuthResult>().toEqualTypeOf<{ success: boolean; user?: AuthenticatedUser; error?: string }>();
  expectTypeOf<WebSocketMessage['timestamp']>().toEqualTypeOf<Date>();
  expectTypeOf<WebSocketMessage['payload']>().toBeUnknown();
  expectTypeOf<WebSocketMessage>().toHaveProperty('retryCount').toEqualTypeOf<number | undefined>();
  expectTypeOf<EventType>().toExtend<WebSocketMessage['type']>();
  expectTypeOf<WebSocketEvent>().toHaveProperty('priority').toEqualTypeOf<MessagePriority>();
  expectTypeOf<ValidationResult>().toEqualTypeOf<{ isValid: boolean; errors?: string[] }>();
  expectTypeOf<Connection>().toEqualTypeOf<{
    socketId: string; userId: string; tenantId: string; applicationType: ApplicationType; connectedAt: Date; lastHeartbeat: Date;
    isActive: boolean; metadata: ConnectionMetadata;
  }>();
  expectTypeOf<ConnectionMetadata>().toEqualTypeOf<{ userAgent: string; ipAddress: string; version: string; features: string[] }>();
  expectTypeOf<HeartbeatConfig>().toEqualTypeOf<{ interval: number; timeout: number; maxMissed: number }>();
  expectTypeOf<RoutingRule['targetApplications']>().toEqualTypeOf<ApplicationType[]>();
  expectTypeOf<RoutingResult>().toEqualTypeOf<{ success: boolean; targetSockets: string[]; errors?: string[] }>();
  expectTypeOf<Room>().toEqualTypeOf<{
    name: string; tenantId: string; type: RoomType; members: string[]; createdAt: Date; metadata: RoomMetadata;
  }>();
  expectTypeOf<RoomMetadata>().toEqualTypeOf<{ description?: string; maxMembers?: number; isPrivate?: boolean; tags?: string[] }>();
  expectTypeOf<HealthStatus['lastError']>().toEqualTypeOf<{ message: string; timestamp: Date } | undefined>();
  expectTypeOf<QueuedMessage['status']>().toEqualTypeOf<QueueStatus>();
  expectTypeOf<RetryConfig>().toEqualTypeOf<{
    maxAttempts: number; baseDelay: number; maxDelay: number; backoffMultiplier: number; jitter: boolean;
  }>();
  expectTypeOf<WebSocketConfig['security']['rateLimiting']>().toEqualTypeOf<{ windowMs: number; maxRequests: number }>();
  expectTypeOf<PerformanceMetrics['averageLatency']>().toBeNumber();

  expectTypeOf<ConnectionManager['authenticateConnection']>().returns.resolves.toEqualTypeOf<AuthResult>();
  expectTypeOf<ConnectionManager['getConnectionsByApplication']>().parameters.toEqualTypeOf<[ApplicationType, string]>();
  expectTypeOf<ConnectionManager['getConnectionCount']>().parameters.toEqualTypeOf<[tenantId?: string]>();
  expectTypeOf<MessageRouter['routeMessage']>().returns.resolves.toEqualTypeOf<RoutingResult>();
  expectTypeOf<MessageRouter['validateMessage']>().parameters.toEqualTypeOf<[unknown]>();
  expectTypeOf<EventBroadcaster['broadcastToMultipleApplications']>()
    .parameters.toEqualTypeOf<[ApplicationType[], string, WebSocketEvent]>();
  expectTypeOf<WebSocketServer['start']>().toBeCallableWith(4001);
  expectTypeOf<WebSocketServer['getHealthStatus']>().returns.toEqualTypeOf<HealthStatus>();
  expectTypeOf(server.createWebSocketConfig).returns.toEqualTypeOf<WebSocketConfig>();
  expectTypeOf(new server.ConnectionManager(server.defaultWebSocketConfig.heartbeat)).toEqualTypeOf<ConnectionManager>();
});

test('an interface can be implemented by another class', () => {
  class Recorder implements EventBroadcaster {
    readonly calls: string[] = [];
    async broadcastToTenant(tenantId: string) { this.calls.push(tenantId); }
    async broadcastToRoom(room: string) { this.calls.push(room); }
    async broadcastToSocket(socketId: string) { this.calls.push(socketId); }
    async broadcastToApplication(appType: ApplicationType) { this.calls.push(appType); }
    async broadcastToMultipleApplications(appTypes: ApplicationType[]) { this.calls.push(...appTypes); }
  }
  const broadcaster: EventBroadcaster = new Recorder();
  expect(broadcaster).toBeInstanceOf(Recorder);
});

test('helpers and defaults', () => {
  expect(server.createTenantRoom('t')).toBe('tenant:t');
  expect(server.createApplicationRoom('t', 'kitchen_app')).toBe('app:t:kitchen_app');
  expect(server.createOrderRoom('t', '42')).toBe('order:t:42');
  expect(['a-B_9', 'a b', '', 'a:b'].map(server.isValidTenantId)).toEqual([true, false, false, false]);
  expect(['gKZEPy7hKJS29yFlk6bH', 'a b', ''].map(server.isValidSocketId)).toEqual([true, false, false]);
  expect(server.generateMessageId()).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  expect(new Date(server.getCurrentTimestamp()).toISOString()).toMatch(/Z$/);
  expect([new Date(), new Date(Date.now() - 5_000)].map((date) => server.isWithinTimeWindow(date, 1_000))).toEqual([true, false]);
  const { security, redis, heartbeat } = server.createWebSocketConfig({ port: 1 });
  expect({ rate: security.rateLimiting, heartbeat }).toEqual({
    rate: { windowMs: 60_000, maxRequests: 100 }, heartbeat: { interval: 30_000, timeout: 10_000, maxMissed: 3 },
  });
  expect(redis.db).toBe(0);
  expect(server.createWebSocketConfig({ port: 1 }).port).toBe(1);
});
