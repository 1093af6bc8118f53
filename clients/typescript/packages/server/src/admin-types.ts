// What the HTTP API answers with and takes; the reference page of the HTTP API has a sentence for each.

import type {
  ApplicationType, DeliveryClass, ErrorCode, MessagePriority, Permission, RoomType, Source, UserRole,
} from '@foodtrack/websocket-contract';

export interface ConnectionInfo {
  /** The Socket.IO id. */
  id: string;
  user: string;
  role: UserRole;
  /** Absent or null for a back end. */
  application?: ApplicationType | null;
  device?: string | null;
  transport: 'websocket' | 'polling';
  address: string;
  userAgent?: string | null;
  version?: string | null;
  features: string[];
  /** RFC 3339, as all times here. */
  connectedAt: string;
  lastHeartbeatAt: string;
  /** Full names. */
  rooms: string[];
}

export interface ConnectionCounts {
  /** All of the tenant's, those of back ends among them. */
  total: number;
  users: number;
  tenants: number;
  byApplication: Partial<Record<ApplicationType, number>>;
  polling: number;
}

export interface ConnectionQuery {
  user?: string;
  application?: ApplicationType;
  device?: string;
  /** From 1 to 1 000; 100 where absent. */
  limit?: number;
  /** The `nextCursor` of the part before. */
  cursor?: string;
}

export interface ConnectionList {
  counts: ConnectionCounts;
  connections: ConnectionInfo[];
  /** Absent where this part is the last. */
  nextCursor?: string;
  /** Ids of nodes of the cluster that did not answer in time: what they have is not in the list. Absent where all did. */
  missingNodes?: string[];
}

/** Who is online: a user with an application on a device, or on all devices together that have no name. */
export interface PresenceInfo {
  /** As its offline queue has it. */
  subscriber: string;
  user: string;
  application: ApplicationType;
  device: string | null;
  /** Since when without a longer absence; RFC 3339. */
  since: string;
  connections: number;
  /** When the last connection went, of one that has none and is not taken for away yet; RFC 3339. */
  goneSince?: string;
}

export interface PresenceQuery {
  user?: string;
  application?: ApplicationType;
  /** From 1 to 1 000; 100 where absent. */
  limit?: number;
  /** The `nextCursor` of the part before. */
  cursor?: string;
}

export interface PresenceList {
  online: PresenceInfo[];
  /** Absent where this part is the last. */
  nextCursor?: string;
  /** Ids of nodes of the cluster that did not answer in time: who is there is not in the list. Absent where all did. */
  missingNodes?: string[];
}

/** A node of the cluster. */
export interface NodeInfo {
  id: string;
  /** Whether it is the one that answers. */
  isSelf: boolean;
  address?: string;
  version: string;
  startedAt: string;
  connections: number;
  tenants: number;
  draining: boolean;
  /** How it is, as it says itself: its `/health`, and its `GET /api/v1/performance`. There where it was asked, and answered. */
  status?: { health: Record<string, unknown>; performance: Record<string, unknown> };
}

/** The nodes that live, as the one that answers knows them. */
export interface NodeList {
  nodes: NodeInfo[];
  /** How long ago they were read from Redis, in milliseconds; absent where they never were. */
  ageMs?: number;
  /** How many values among them are no node's. */
  strange: number;
  /** Whether nodes of another cluster are under the same prefix. */
  isMixed: boolean;
  /** Ids of nodes that were asked how they are, and did not answer in time. */
  missingNodes?: string[];
}

/** How many connections were ended. */
export interface Disconnected {
  disconnected: number;
  /** Ids of nodes of the cluster that did not answer in time: whether they ended theirs, nobody knows. Absent where all did. */
  missingNodes?: string[];
}

/** What is sent to one connection. */
export interface DirectEvent {
  type: string;
  payload: unknown;
  /** `medium` where absent. */
  priority?: MessagePriority;
}

/** What became of it. */
export interface Sent {
  id: string;
  /** False where the connection's application has no name for the event, or its parser cannot say it. */
  delivered: boolean;
}

export interface RoomDescription {
  description?: string | null;
  maxMembers?: number | null;
  isPrivate?: boolean;
  tags?: string[];
}

export interface RoomInfo {
  name: string;
  type: RoomType;
  /** Connections in it now. */
  members: number;
  createdAt: string;
  metadata: RoomDescription;
}

export interface RoomList {
  rooms: RoomInfo[];
  nextCursor?: string;
  missingNodes?: string[];
}

export interface Grant {
  room: string;
  user: string;
  granted: boolean;
}

export interface EventDeclaration {
  /** `group:name`. */
  name: string;
  /** A JSON Schema (2020-12) of the payload. */
  schema: unknown;
  /** `recoverable` where absent. */
  deliveryClass?: DeliveryClass;
  description?: string | null;
}

/** Where a rule leads. */
export type Destination =
  | ApplicationType | 'every_application' | 'order_room' | 'customer' | 'assignee' | 'station_room' | 'route_room';

export interface Rule {
  id: string;
  /** Absent for rules of every tenant. */
  tenant?: string | null;
  /** An event type, a group such as `loyalty:*`, or `*`. */
  events: string;
  from: Source[];
  permission?: Permission | null;
  to: Destination[];
}

/** Fields of the payload of some events that some of those who get the event do not get. */
export interface Redaction {
  id: string;
  /** Absent for redactions of every tenant. */
  tenant?: string | null;
  /** An event type, a group such as `order:*`, or `*`. */
  events: string;
  /** JSON pointers into the payload; `*` stands for each element or member. */
  fields: string[];
  /** Applications, roles, and `webhooks`. */
  hideFrom: string[];
}

export interface Question {
  event: string;
  /** `system` where absent. */
  source?: Source;
  role?: UserRole;
  permissions?: Permission[];
  target?: ApplicationType[];
  order?: string;
  customer?: string;
  station?: string;
  route?: string;
  assignee?: string;
}

export interface Explanation {
  tenant: string;
  event: string;
  source: string;
  isAllowed: boolean;
  refusal?: { code: ErrorCode; message: string } | null;
  /** Every rule that covers the event. */
  rules: { id: string; isForSource: boolean; lacking?: Permission | null }[];
  destinations: { to: Destination; rules: string[]; room?: string | null; leftOut?: string | null }[];
  target?: ApplicationType[] | null;
  removedByTarget: ApplicationType[];
  read?: Permission[] | null;
}

export interface LogQuery {
  /** Where to read on; a client's cursor will do. From the start where absent. */
  cursor?: string;
  /** Of one part: from 1 to 1 000; 100 where absent. */
  limit?: number;
  /** One event type. */
  event?: string;
  /** The newest entries about one order; takes no `cursor`, and has one part. */
  order?: string;
}

export interface LogEntry {
  offset: number;
  cursor: string;
  id: string;
  event: string;
  at: string;
  /** Milliseconds since 1970, as `expiresAtMs`. */
  atMs: number;
  expiresAtMs?: number | null;
  priority: MessagePriority;
  durable: boolean;
  orderId?: string | null;
  createsOrder: boolean;
  customerId?: string | null;
  audience: { applications: ApplicationType[]; rooms: string[]; only: ApplicationType[]; read?: Permission[] | null };
  /** The message as it was delivered. */
  message: Record<string, unknown>;
  /** Binary parts, as base64. */
  attachments: string[];
}

export interface LogPart {
  entries: LogEntry[];
  /** Where the next part begins; absent at the end. */
  nextCursor?: string;
  /** Entries up to this offset are gone: retention took them. */
  goneThrough?: number;
}

export interface DeadLetter {
  offset: number;
  subscriber: string;
  id: string;
  /** `failed`: nobody acknowledged it. `expired`: its time was over. */
  reason: string;
  attempts: number;
  at: string;
  atMs: number;
}

/** What `GET /health` says. */
export interface HubHealth {
  status: 'healthy' | 'degraded' | 'unhealthy';
  /** Since the hub's start, in seconds. */
  uptime: number;
  /** Of all tenants. */
  connections: number;
  /** In bytes; `percentage` from 0 to 100. */
  memoryUsage: { used: number; total: number; percentage: number };
  draining: boolean;
  /** How far that is; absent where it does not drain. */
  drain?: { phase: 'announced' | 'moving' | 'drained'; then: 'exit' | 'stay'; since: string };
  conditions: { condition: string; message: string; since: string }[];
  /** How the node stands towards the cluster's Redis; absent where there is no cluster. */
  redis?: { state: 'healthy' | 'degraded' | 'fenced'; since: string };
  /** For how many days the hub's certificate is still good, where it speaks TLS. */
  certificateDaysLeft?: number;
  lastError?: { message: string; timestamp: string } | null;
}

/** Rates and averages over the last ten seconds. */
export interface PerformanceMetrics {
  connectionsPerSecond: number;
  messagesPerSecond: number;
  /** In milliseconds. */
  averageLatency: number;
  /** From 0 to 1. */
  errorRate: number;
  memoryUsage: { used: number; total: number; percentage: number };
  /** In per cent of one core. */
  cpuUsage: number;
}
