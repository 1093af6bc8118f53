import { setTimeout as sleep } from 'node:timers/promises';

import { AdminClient } from './admin-client.js';
import { PLACEHOLDER_SECRET, configFrom } from './config.js';
import { ConnectionManager } from './connection-manager.js';
import { EventBroadcaster } from './event-broadcaster.js';
import { HubAccess, type PublishingOptions } from './hub-access.js';
import { HubError, configRefused } from './hub-error.js';
import type { HubLink } from './hub-link.js';
import { HubProcess, type HubProcessOptions } from './hub-process.js';
import { HubView } from './hub-view.js';
import type { Logger } from './logger.js';
import { MessageRouter } from './message-router.js';
import { Publisher } from './publisher.js';
import { hubEnvironment } from './hub-environment.js';
import type { HealthStatus, WebSocketConfig } from './surface.js';
import { type MintOptions, SECRET_BYTES_MIN } from './tokens.js';

/** Where the hub is or how it is run, and how it is used. Nothing is needed where its binary is on the PATH. */
export interface WebSocketServerOptions extends Omit<HubProcessOptions, 'port' | 'onDown'> {
  /** A hub that runs already, such as `https://hub.example.com`: no child process then, and `start` uses no port. */
  hubUrl?: string;
  /** Tenants that are followed from the start, so that the first question about them is answered. */
  tenants?: readonly string[];
  /** How old an answer of a method that returns at once may be, in milliseconds: 1 000 where absent. */
  viewIntervalMs?: number;
  /** The tenant of calls that name none (`addRoutingRule`); `gateway` where absent. */
  tenantId?: string;
  /** How events are gathered and repeated; `giveUpMs` is 30 000 where absent. */
  publishing?: PublishingOptions;
  /** Claims of the service tokens that it signs, where the hub asks for an issuer or an audience. */
  token?: MintOptions;
}

/** The hub for a back end in Node: run as a child process, or one that runs already. */
export interface WebSocketServer {
  /**
   * Starts the hub on a port and resolves once clients can connect; it is started again should it end by itself. With `hubUrl` it
   * resolves once that hub answers.
   *
   * @throws HubError `config_refused` (no secret, above all), `binary_missing`, `port_taken`, `start_failed`, `unreachable`.
   */
  start(port?: number): Promise<void>;
  /** Waits for what is being published, then ends the hub; one by `hubUrl` goes on. */
  stop(): Promise<void>;
  /** Of all tenants; at most two seconds old, since the hub itself counts these once a second. */
  getConnectionCount(): number;
  /** At most two seconds old; `unhealthy` while the hub does not run or does not answer. */
  getHealthStatus(): HealthStatus;
  /** Whether it is started, and its hub is up. */
  isRunning(): boolean;
  getConnectionManager(): ConnectionManager;
  getMessageRouter(): MessageRouter;
  getEventBroadcaster(): EventBroadcaster;
  /** Always null: there is no Socket.IO server in this process, the hub is one. */
  getSocketIOServer(): null;
  /** The HTTP API for one tenant. */
  admin(tenantId: string): AdminClient;
  /** Publishes for one tenant; closed by `stop`. */
  publisher(tenantId: string): Publisher;
  /** The hub's address; undefined before the start. */
  readonly url: string | undefined;
  /** The process id of the hub that it runs. */
  readonly pid: number | undefined;
}

const REACH_PAUSE_MS = 100;
const GIVE_UP_MS = 30_000;

interface Running {
  access: HubAccess;
  view: HubView;
}

class HubWebSocketServer implements WebSocketServer {
  readonly #logger: Logger;
  readonly #link: { logger: Logger; tenantId: string; secret: string | undefined; running: Running | undefined };
  readonly #manager: ConnectionManager;
  readonly #router: MessageRouter;
  readonly #broadcaster: EventBroadcaster;
  #state: 'stopped' | 'starting' | 'started' = 'stopped';
  #starting: Promise<void> | undefined;
  #process: HubProcess | undefined;

  constructor(private readonly config: WebSocketConfig, private readonly options: WebSocketServerOptions = {}) {
    this.#logger = options.logger ?? console;
    this.#link = { logger: this.#logger, tenantId: options.tenantId ?? 'gateway', secret: undefined, running: undefined };
    const link: HubLink = this.#link;
    this.#manager = new ConnectionManager(config.heartbeat, link);
    this.#router = new MessageRouter(link);
    this.#broadcaster = new EventBroadcaster(link);
  }

  get url(): string | undefined {
    return this.#link.running?.access.url;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async start(port = this.config.port): Promise<void> {
    if (this.#state !== 'stopped') throw new HubError('start_failed', `the server is ${this.#state} already`);
    this.#state = 'starting';
    this.#starting = this.#start(port);
    try {
      await this.#starting;
      this.#state = 'started';
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    if (this.#state !== 'started') return;
    await this.#link.running?.access.close();
    await this.#end();
  }

  getConnectionCount(): number {
    return this.#manager.getConnectionCount();
  }

  getHealthStatus(): HealthStatus {
    const view = this.#link.running?.view;
    const health = view?.health();
    if (!health) {
      const lastError = view?.lastError;
      const memoryUsage = { used: 0, total: 0, percentage: 0 };
      return { status: 'unhealthy', uptime: 0, connections: 0, memoryUsage, ...(lastError && { lastError }) };
    }
    const { status, uptime, connections, memoryUsage, lastError } = health;
    return {
      status, uptime, connections, memoryUsage,
      ...(lastError && { lastError: { message: lastError.message, timestamp: new Date(lastError.timestamp) } }),
    };
  }

  isRunning(): boolean {
    if (this.#state !== 'started') return false;
    return this.#process ? this.#process.isUp : this.#link.running?.view.health() !== undefined;
  }

  getConnectionManager(): ConnectionManager {
    return this.#manager;
  }

  getMessageRouter(): MessageRouter {
    return this.#router;
  }

  getEventBroadcaster(): EventBroadcaster {
    return this.#broadcaster;
  }

  getSocketIOServer(): null {
    return null;
  }

  admin(tenantId: string): AdminClient {
    return this.#access.admin(tenantId);
  }

  publisher(tenantId: string): Publisher {
    return this.#access.publisher(tenantId);
  }

  get #access(): HubAccess {
    const { running } = this.#link;
    if (!running) throw new HubError('closed', 'the server is not started');
    return running.access;
  }

  async #start(port: number): Promise<void> {
    const secret = secretOf(this.config);
    this.#link.secret = secret;
    const url = this.options.hubUrl ?? await this.#run(port, secret);
    const { publishing, token, viewIntervalMs = 1_000, tenants = [] } = this.options;
    const access = new HubAccess(url, secret, this.#logger, { giveUpMs: GIVE_UP_MS, ...publishing }, token);
    await this.#reach(access);
    const view = new HubView(access, viewIntervalMs);
    this.#link.running = { access, view };
    await view.start([this.#link.tenantId, ...tenants]);
  }

  async #run(port: number, secret: string): Promise<string> {
    this.#sayOfRedis();
    this.#process = await HubProcess.start({
      ...this.options,
      port,
      environment: hubEnvironment(this.config, secret, this.options.environment ?? process.env),
      logger: this.#logger,
      onDown: () => this.#link.running?.view.forget(),
    });
    const { host = '0.0.0.0' } = this.options;
    const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
    return `http://${name}:${this.#process.port}`;
  }

  /** Waits until the hub answers, and takes what this server signs. */
  async #reach(access: HubAccess): Promise<void> {
    const untilMs = Date.now() + (this.options.startTimeoutMs ?? 30_000);
    for (;;) {
      try {
        await access.admin(this.#link.tenantId).connections({ limit: 1 });
        return;
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        if (error.code.startsWith('token_')) {
          throw configRefused(`${access.url} does not take tokens that are signed with security.jwtSecret: ${error.detail}`, error);
        }
        if (!error.isRetryable || Date.now() > untilMs) throw error;
        await sleep(REACH_PAUSE_MS);
      }
    }
  }

  #sayOfRedis(): void {
    const { host, port } = this.config.redis;
    const usual = configFrom({}).redis;
    if (host === usual.host && port === usual.port) this.#logger.info('one node: no Redis is named for a cluster');
    else this.#logger.warn(`one node: a hub that is started here is in no cluster, and ${host}:${port} of redis is not used`);
  }

  async #end(): Promise<void> {
    this.#link.running?.view.stop();
    this.#link.running = undefined;
    this.#link.secret = undefined;
    await this.#process?.stop();
    this.#process = undefined;
    this.#state = 'stopped';
  }
}

/** The secret; the environment's where this package was loaded before `JWT_SECRET` was set. */
function secretOf({ security }: WebSocketConfig): string {
  const secret = security.jwtSecret === PLACEHOLDER_SECRET ? process.env['JWT_SECRET'] : security.jwtSecret;
  if (!secret || secret === PLACEHOLDER_SECRET) {
    throw configRefused('JWT_SECRET is not set: put the secret that your tokens are signed with there, or into security.jwtSecret');
  }
  if (Buffer.byteLength(secret) < SECRET_BYTES_MIN) {
    const advice = '`openssl rand -base64 48` makes one';
    throw configRefused(`security.jwtSecret (JWT_SECRET) must have at least ${SECRET_BYTES_MIN} bytes; ${advice}`);
  }
  return secret;
}

export const WebSocketServer: new (config: WebSocketConfig, options?: WebSocketServerOptions) => WebSocketServer = HubWebSocketServer;
