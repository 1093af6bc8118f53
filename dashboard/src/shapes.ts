// What the hub's HTTP API answers with, as far as the pages show it. docs/reference/http.md has the whole of it.

export interface Health {
  status: 'healthy' | 'degraded' | 'unhealthy';
  uptime: number;
  connections: number;
  memoryUsage: Memory;
  draining: boolean;
  drain?: { phase: string; then: string; since: string };
  conditions: { condition: string; message: string; since: string }[];
  certificateDaysLeft?: number;
  nodes?: NodeInfo[];
  redis?: { state: string; since: string };
  lastError?: { message: string; timestamp: string };
}

export interface Memory {
  used: number;
  total: number;
  percentage: number;
}

export interface NodeInfo {
  id: string;
  isSelf: boolean;
  address?: string;
  version: string;
  startedAt: string;
  connections: number;
  tenants: number;
  draining: boolean;
}

export interface Performance {
  connectionsPerSecond: number;
  messagesPerSecond: number;
  averageLatency: number;
  errorRate: number;
  memoryUsage: Memory;
  cpuUsage: number;
}

export interface Listing {
  counts: { total: number; users: number; byApplication: Record<string, number>; polling: number };
  connections: unknown[];
}

export interface Presence {
  subscriber: string;
  user: string;
  application: string;
  device: string | null;
  since: string;
  connections: number;
  goneSince?: string;
}

export interface OfflineQueue {
  subscriber: string;
  userId: string;
  applicationType: string;
  deviceId: string | null;
  cursor: string;
  updatedAt: string;
  entriesBehind: number;
}

export interface QueueInspection {
  queue: OfflineQueue;
  events: Entry[];
  hasMore: boolean;
}

export interface Room {
  name: string;
  type: string;
  members: number;
  createdAt: string;
  metadata: { description: string | null; maxMembers: number | null; isPrivate: boolean; tags: string[] };
}

/** An entry of a tenant's log. */
export interface Entry {
  offset: number;
  cursor: string;
  id: string;
  event: string;
  at: string;
  atMs: number;
  expiresAtMs: number | null;
  priority: string;
  durable: boolean;
  orderId: string | null;
  createsOrder: boolean;
  customerId: string | null;
  audience: { applications: string[]; rooms: string[]; only: string[]; read: string[] | null };
  message: unknown;
}

export interface DeadLetter {
  offset: number;
  subscriber: string;
  id: string;
  reason: string;
  attempts: number;
  at: string;
  atMs: number;
}

export interface Device {
  userId: string;
  applicationType: string;
  deviceId: string | null;
  isHere: boolean;
  state: 'confirmed' | 'sent' | 'waiting';
}

/** What became of one event of an order. */
export interface EventTimeline {
  entry: Entry;
  devices: Device[];
  moreDevices: number;
  steps: { at: string; what: string }[];
  deadLetters: DeadLetter[];
}

export interface Explanation {
  tenant: string;
  event: string;
  source: string;
  isAllowed: boolean;
  refusal?: { code: string; message: string };
  rules: { id: string; isForSource: boolean; lacking?: string }[];
  destinations: { to: string; room?: string; rules: string[]; leftOut?: string }[];
  target?: string[];
  removedByTarget: string[];
  read?: string[];
  redactions?: { id: string; events: string; fields: string[]; hideFrom: string[] }[];
}

/** Of the operator's list. */
export interface TenantRow {
  tenant: string;
  connections: Listing['counts'];
  entries: number;
  bytes: number;
  deadLetters: number;
}

/** A key of the configuration in force. */
export interface ConfigurationKey {
  key: string;
  value: unknown;
  place: string;
  about: string;
}

/** A turn in a device's life. */
export interface DeviceTurn {
  subscriber: string;
  userId: string;
  applicationType: string;
  deviceId: string | null;
  at: string;
  atMs: number;
  what: 'came' | 'caught_up' | 'went';
  recovered?: boolean;
  events?: number;
  oldestAgeMs?: number;
  reason?: string;
}
