import { setTimeout as sleep } from 'node:timers/promises';

import type { ConnectionInfo, HubHealth, Rule } from './admin-types.js';
import type { HubAccess } from './hub-access.js';
import { HubError } from './hub-error.js';

interface TenantView {
  /** By Socket.IO id. */
  connections: Map<string, ConnectionInfo>;
  /** Of all connections, those of back ends among them. */
  total: number;
  rules: Rule[];
  connectionsAtMs: number;
  /** When all nodes of a cluster answered. */
  wholeAtMs: number;
  rulesAtMs: number;
  askedAtMs: number;
  isPinned: boolean;
  /** The first reading. */
  first: Promise<void>;
}

/** How many tenants are followed at once; beyond it the one that was not asked about for longest goes. */
const TENANTS_MAX = 1_000;
/** A tenant that nobody asks about is followed for so long. */
const FORGET_MS = 60_000;
const RULES_MS = 30_000;
const PART_CONNECTIONS = 1_000;
/** Between two parts of a long list, to stay within the hub's rate for a token. */
const PART_PAUSE_MS = 100;
/** What could not be read again for so long is not answered any more. */
const AGE_MS_MAX = 5_000;
const TENANTS_AT_ONCE = 8;

/** What the hub's HTTP API says of health, connections and rules, read anew every `intervalMs`: so old may an answer be. */
export class HubView {
  readonly #tenants = new Map<string, TenantView>();
  #health: { value: HubHealth; atMs: number } | undefined;
  #lastError: { message: string; timestamp: Date } | undefined;
  #isRunning = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly hub: HubAccess, private readonly intervalMs: number) {}

  /** Reads for the first time, then goes on by itself. */
  async start(tenants: readonly string[]): Promise<void> {
    await Promise.all([this.#readHealth(), ...tenants.map((tenantId) => this.follow(tenantId, true))]);
    this.#schedule();
  }

  stop(): void {
    this.#isRunning = false;
    clearTimeout(this.#timer);
    this.forget();
  }

  /** The hub is gone, and everyone's connection with it. */
  forget(): void {
    this.#health = undefined;
    for (const tenant of this.#tenants.values()) {
      tenant.connections = new Map();
      tenant.total = 0;
    }
  }

  /** Resolves once the tenant's connections and rules have been read; they are then kept current. */
  async follow(tenantId: string, isPinned = false): Promise<void> {
    const tenant = this.#tenant(tenantId, isPinned);
    await tenant.first.catch(() => (tenant.connectionsAtMs === 0 ? this.#read(tenantId, tenant) : undefined));
  }

  connections(tenantId: string): ConnectionInfo[] {
    return [...this.#current(tenantId).connections.values()];
  }

  /** Of one tenant, or of all. */
  count(tenantId?: string): number {
    return tenantId === undefined ? (this.#freshHealth()?.connections ?? 0) : this.#current(tenantId).total;
  }

  /** A connection of a tenant that is followed. */
  find(socketId: string): { tenantId: string; connection: ConnectionInfo } | undefined {
    for (const tenantId of this.#tenants.keys()) {
      const connection = this.#fresh(tenantId)?.connections.get(socketId);
      if (connection) return { tenantId, connection };
    }
    return undefined;
  }

  get followed(): string[] {
    return [...this.#tenants.keys()];
  }

  rules(tenantId: string): Rule[] {
    return this.#tenant(tenantId).rules;
  }

  /** Reads them at once. */
  rulesChanged(tenantId: string): Promise<void> {
    return this.#readRules(tenantId, this.#tenant(tenantId));
  }

  /** What the hub said last, where that is not too old. */
  health(): HubHealth | undefined {
    return this.#freshHealth();
  }

  /** Why the last reading that failed did. */
  get lastError(): { message: string; timestamp: Date } | undefined {
    return this.#lastError;
  }

  #freshHealth(): HubHealth | undefined {
    return this.#health && Date.now() - this.#health.atMs < AGE_MS_MAX + this.intervalMs ? this.#health.value : undefined;
  }

  #fresh(tenantId: string): TenantView | undefined {
    const tenant = this.#tenants.get(tenantId);
    return tenant && Date.now() - tenant.connectionsAtMs < AGE_MS_MAX + this.intervalMs ? tenant : undefined;
  }

  #current(tenantId: string): Pick<TenantView, 'connections' | 'total'> {
    const tenant = this.#tenant(tenantId);
    return this.#fresh(tenantId) ?? { ...tenant, connections: new Map(), total: 0 };
  }

  #tenant(tenantId: string, isPinned = false): TenantView {
    let tenant = this.#tenants.get(tenantId);
    if (!tenant) {
      this.hub.admin(tenantId); // throws where it is no tenant's id
      const made: TenantView = {
        connections: new Map(), total: 0, rules: [], connectionsAtMs: 0, wholeAtMs: 0, rulesAtMs: 0, askedAtMs: 0, isPinned, first: Promise.resolve(),
      };
      this.#tenants.set(tenantId, made);
      made.first = this.#read(tenantId, made);
      made.first.catch(() => undefined); // who awaits it gets it
      tenant = made;
    }
    tenant.askedAtMs = Date.now();
    tenant.isPinned ||= isPinned;
    return tenant;
  }

  #schedule(): void {
    if (!this.#isRunning) return;
    this.#timer = setTimeout(() => void this.#round().finally(() => this.#schedule()), this.intervalMs).unref();
  }

  async #round(): Promise<void> {
    const now = Date.now();
    const unpinned = [...this.#tenants].filter(([, tenant]) => !tenant.isPinned).sort(([, a], [, b]) => b.askedAtMs - a.askedAtMs);
    unpinned.forEach(([tenantId, tenant], place) => {
      if (place >= TENANTS_MAX || now - tenant.askedAtMs > FORGET_MS) this.#tenants.delete(tenantId);
    });
    await this.#attempt(this.#readHealth());
    const todo = [...this.#tenants];
    const work = async () => {
      for (let next = todo.shift(); next && this.#isRunning; next = todo.shift()) await this.#attempt(this.#read(...next));
    };
    await Promise.all(Array.from({ length: TENANTS_AT_ONCE }, work));
  }

  async #attempt(reading: Promise<void>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      if (!this.#isRunning) return;
      this.#lastError = { message: error instanceof Error ? error.message : String(error), timestamp: new Date() };
      this.hub.logger.debug(`the view of the hub was not read: ${this.#lastError.message}`);
    }
  }

  async #readHealth(): Promise<void> {
    this.#health = { value: await this.hub.admin('health').health(), atMs: Date.now() };
  }

  async #read(tenantId: string, tenant: TenantView): Promise<void> {
    if (Date.now() - tenant.rulesAtMs > RULES_MS) await this.#readRules(tenantId, tenant);
    const connections = new Map<string, ConnectionInfo>();
    const admin = this.hub.admin(tenantId);
    let isWhole = true;
    for (let cursor: string | undefined; ;) {
      const list = await admin.connections({ limit: PART_CONNECTIONS, ...(cursor !== undefined && { cursor }) });
      for (const one of list.connections) connections.set(one.id, one);
      tenant.total = list.counts.total;
      isWhole &&= list.missingNodes === undefined;
      if (list.nextCursor === undefined) break;
      cursor = list.nextCursor;
      await sleep(PART_PAUSE_MS, undefined, { ref: false });
    }
    if (!this.#isRunning) throw new HubError('closed', 'the server was stopped');
    // What nodes have that did not answer is not gone because of that: it stays for as long as what cannot be read.
    const isKept = !isWhole && Date.now() - tenant.wholeAtMs < AGE_MS_MAX + this.intervalMs;
    tenant.connections = isKept ? new Map([...tenant.connections, ...connections]) : connections;
    if (isKept) tenant.total = Math.max(tenant.total, tenant.connections.size);
    tenant.connectionsAtMs = Date.now();
    if (isWhole) tenant.wholeAtMs = tenant.connectionsAtMs;
  }

  async #readRules(tenantId: string, tenant: TenantView): Promise<void> {
    tenant.rules = await this.hub.admin(tenantId).rules();
    tenant.rulesAtMs = Date.now();
  }
}
