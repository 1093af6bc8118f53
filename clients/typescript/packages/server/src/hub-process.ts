import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { endWithParent } from './child-guard.js';
import { HubError } from './hub-error.js';
import type { Logger } from './logger.js';

/** How the hub's binary is run. */
export interface HubProcessOptions {
  /** The binary; where absent `FOODTRACK_WEBSOCKET_BINARY`, then `foodtrack-websocket` on the PATH. */
  binary?: string;
  /** The address to listen on; 0.0.0.0 where absent. */
  host?: string;
  /** 0 takes a free one, and keeps it across restarts. */
  port: number;
  /** A TOML file; flags and the environment go before it. */
  configFile?: string;
  /** Where the log is kept; the hub's own `foodtrack-data` where absent. */
  dataDir?: string;
  /** Keeps everything in memory: a restart loses what was accepted. */
  inMemory?: boolean;
  /** The child's environment. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** The hub's log lines go there; `console` where absent. */
  logger?: Logger;
  /** How long it may take until it listens, in milliseconds: 30 000 where absent. */
  startTimeoutMs?: number;
  /** How long it may take to stop before it is killed, in milliseconds: 15 000 where absent. */
  stopTimeoutMs?: number;
  /** The pause before the first restart, doubled for each that follows one soon, in milliseconds: 200 where absent. */
  restartMs?: number;
  /** 10 000 where absent. */
  restartMsMax?: number;
  /** Told when the hub ended although nobody stopped it; it is started again. */
  onDown?: () => void;
}

const LINES_KEPT = 20;
/** Who has run so long begins with the shortest pause again. */
const STABLE_MS = 60_000;

/** The hub as a child process: started again with growing pauses when it ends by itself, and ended with SIGTERM. */
export class HubProcess {
  #child: ChildProcess | undefined;
  #port: number;
  #isUp = false;
  #isStopping = false;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;
  readonly #binary: string;
  readonly #logger: Logger;

  /**
   * Resolves once clients can connect.
   *
   * @throws HubError `binary_missing`, `port_taken`, `config_refused` or `start_failed`, with what the hub said.
   */
  static async start(options: HubProcessOptions): Promise<HubProcess> {
    const hub = new HubProcess(options);
    await hub.#start();
    return hub;
  }

  private constructor(private readonly options: HubProcessOptions) {
    this.#binary = options.binary ?? (process.env['FOODTRACK_WEBSOCKET_BINARY'] || 'foodtrack-websocket');
    this.#logger = options.logger ?? console;
    this.#port = options.port;
  }

  get port(): number {
    return this.#port;
  }

  /** Whether it listens. */
  get isUp(): boolean {
    return this.#isUp;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends it: SIGTERM, and SIGKILL where that takes longer than `stopTimeoutMs`. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const timer = setTimeout(() => child.kill('SIGKILL'), this.options.stopTimeoutMs ?? 15_000);
    child.kill('SIGTERM');
    await gone;
    clearTimeout(timer);
  }

  #start(): Promise<void> {
    const { host = '0.0.0.0', configFile, dataDir, inMemory, environment = process.env } = this.options;
    const flags = ['serve', '--host', host, '--port', String(this.#port)];
    if (configFile !== undefined) flags.push('--config', configFile);
    if (inMemory) flags.push('--in-memory');
    else if (dataDir !== undefined) flags.push('--data-dir', dataDir);
    const child = spawn(this.#binary, flags, { env: environment as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    endWithParent(child);
    const said: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (said.length > LINES_KEPT) said.shift();
      this.#log(line);
    });
    return new Promise((resolve, reject) => {
      const startedMs = Date.now();
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new HubError('start_failed', `${this.#binary} does not listen after ${Date.now() - startedMs} ms`));
      }, this.options.startTimeoutMs ?? 30_000);
      createInterface({ input: child.stdout }).on('line', (line) => {
        const port = /^listening on \S*?:(\d+)$/.exec(line)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        this.#port = Number(port);
        this.#isUp = true;
        resolve();
      });
      child.once('error', (cause: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        const isMissing = cause.code === 'ENOENT' || cause.code === 'EACCES';
        const advice = 'name the hub\'s binary in FOODTRACK_WEBSOCKET_BINARY or the option `binary`, or put it on the PATH';
        const error = isMissing
          ? new HubError('binary_missing', `${this.#binary} cannot be run (${cause.code}): ${advice}`, {}, { cause })
          : new HubError('start_failed', `${this.#binary}: ${cause.message}`, {}, { cause });
        reject(error);
      });
      // `close`, not `exit`: by then its last lines have been read.
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        const wasUp = this.#isUp;
        this.#isUp = false;
        const words = said.filter((line) => !line.startsWith('{')).join('\n') || `it ended with ${signal ?? code}`;
        const kind = code === 3 ? 'port_taken' : code === 2 ? 'config_refused' : 'start_failed';
        reject(new HubError(kind, `the hub did not start on port ${this.#port}: ${words}`));
        if (wasUp && !this.#isStopping) this.#down(Date.now() - startedMs, signal ?? code);
      });
    });
  }

  #down(ranMs: number, how: string | number | null): void {
    if (ranMs > STABLE_MS) this.#failures = 0;
    this.options.onDown?.();
    this.#again(`the hub ended with ${how}`);
  }

  #again(why: string): void {
    const { restartMs = 200, restartMsMax = 10_000 } = this.options;
    const pause = Math.min(restartMs * 2 ** this.#failures, restartMsMax);
    this.#failures += 1;
    this.#logger.error(`${why}; starting it again in ${pause} ms`);
    this.#restart = setTimeout(() => {
      this.#start().catch((error: unknown) => {
        if (!this.#isStopping) this.#again(error instanceof Error ? error.message : String(error));
      });
    }, pause);
  }

  /** The hub writes a JSON object a line, and sentences where it cannot start. */
  #log(line: string): void {
    try {
      const { level, message, timestamp: _, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const name = String(level).toLowerCase();
      const write = name === 'error' || name === 'warn' || name === 'info' ? name : 'debug';
      this.#logger[write](String(message), fields);
    } catch {
      this.#logger.error(line);
    }
  }
}
