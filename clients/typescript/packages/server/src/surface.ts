// The shapes that FoodTrack's gateway knows. Times are `Date`s here, as there; on the wire they are texts.

import type { ApplicationType, EventType, MessagePriority, Permission, RoomType, Source, UserRole } from '@foodtrack/websocket-contract';

import type { HubHealth } from './admin-types.js';
import type { QueueStatus } from './names.js';

export interface AuthenticatedUser {
  userId: string;
  tenantId: string;
  role: UserRole;
  applicationTypes: ApplicationType[];
  permissions: Permission[];
}

export interface AuthResult {
  success: boolean;
  user?: AuthenticatedUser;
  error?: string;
}

export interface WebSocketMessage {
  id: string;
  type: EventType | (string & {});
  tenantId: string;
  timestamp: Date;
  source: Source;
  target?: ApplicationType | ApplicationType[];
  payload: unknown;
  priority: MessagePriority;
  retryCount?: number;
  encrypted?: boolean;
}

export interface WebSocketEvent {
  type: EventType | (string & {});
  payload: unknown;
  priority: MessagePriority;
  timestamp?: Date;
}

export interface ValidationResult {
  isValid: boolean;
  errors?: string[];
}

export interface ConnectionMetadata {
  userAgent: string;
  ipAddress: string;
  version: string;
  features: string[];
}

export interface Connection {
  socketId: string;
  userId: string;
  tenantId: string;
  applicationType: ApplicationType;
  connectedAt: Date;
  lastHeartbeat: Date;
  isActive: boolean;
  metadata: ConnectionMetadata;
}

export interface HeartbeatConfig {
  /** In milliseconds, as `timeout`. */
  interval: number;
  timeout: number;
  maxMissed: number;
}

export interface RoutingRule {
  eventType: EventType | (string & {});
  sourceApplication: Source;
  targetApplications: ApplicationType[];
  /** Always true on the hub. */
  requiresAuthentication: boolean;
  /** Always true on the hub. */
  tenantIsolated: boolean;
  /** Rules of the hub add up: none goes before another, and this is 0. */
  priority: number;
}

export interface RoutingResult {
  success: boolean;
  targetSockets: string[];
  errors?: string[];
}

export interface RoomMetadata {
  description?: string;
  maxMembers?: number;
  isPrivate?: boolean;
  tags?: string[];
}

export interface Room {
  name: string;
  tenantId: string;
  type: RoomType;
  members: string[];
  createdAt: Date;
  metadata: RoomMetadata;
}

/** What the hub's `/health` says. */
export interface HealthStatus extends Pick<HubHealth, 'status' | 'uptime' | 'connections' | 'memoryUsage'> {
  lastError?: { message: string; timestamp: Date };
}

export interface QueuedMessage {
  id: string;
  message: WebSocketMessage;
  targetSocketId: string;
  queuedAt: Date;
  attempts: number;
  maxAttempts: number;
  nextRetryAt: Date;
  status: QueueStatus;
}

export interface RetryConfig {
  maxAttempts: number;
  /** In milliseconds, as `maxDelay`. */
  baseDelay: number;
  maxDelay: number;
  backoffMultiplier: number;
  jitter: boolean;
}

export interface WebSocketConfig {
  port: number;
  cors: { origin: string[]; methods: string[]; credentials: boolean };
  heartbeat: HeartbeatConfig;
  retry: RetryConfig;
  security: {
    jwtSecret: string;
    encryptionKey?: string;
    /** Handshakes of one address. */
    rateLimiting: { windowMs: number; maxRequests: number };
  };
  redis: { host: string; port: number; password?: string; db: number };
}

/** What a socket is to the methods that are given one: its Socket.IO id. */
export interface SocketLike {
  id: string;
}
