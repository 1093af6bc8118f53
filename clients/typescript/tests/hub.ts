// The hub as a child process on a port of its own choice, and tokens for it.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 30_000;
const SECRET = 'a secret for tests of at least thirty-two bytes';
export const BINARY = process.env['FOODTRACK_BINARY']
  ?? fileURLToPath(new URL('../../../target/debug/foodtrack-websocket', import.meta.url));

export interface Claims {
  tenantId: string;
  sub: string;
  role: string;
  applicationTypes?: string[];
}

export const CHEF = { tenantId: 'pizza-roma', sub: 'carla', role: 'chef', applicationTypes: ['kitchen_app'] };
export const DASHBOARD = {
  tenantId: 'pizza-roma', sub: 'dora', role: 'restaurant_owner', applicationTypes: ['tenant_dashboard'],
};

/** A token that ends after so many seconds. */
export function token(claims: Claims, seconds = 3_600): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, iat: now, exp: now + seconds })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

export class Hub {
  #child: ChildProcess | undefined;
  #directory = '';
  port = 0;

  static async start(environment: Record<string, string> = {}, flags: readonly string[] = []): Promise<Hub> {
    const hub = new Hub(environment, flags);
    hub.#directory = await mkdtemp(join(tmpdir(), 'foodtrack-typescript-'));
    await hub.start();
    return hub;
  }

  private constructor(private readonly environment: Record<string, string>, private readonly flags: readonly string[]) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, on the port it had before. */
  async start(): Promise<void> {
    const options = ['serve', '--host', '127.0.0.1', '--port', String(this.port), '--data-dir', this.#directory, ...this.flags];
    const env = {
      ...process.env, JWT_SECRET: SECRET, ALLOWED_ORIGINS: '*', FOODTRACK__CORS__CREDENTIALS: 'false', ...this.environment,
    };
    const child = spawn(BINARY, options, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const log: string[] = [];
    this.port = await new Promise<number>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${BINARY} ${why}\n${log.join('\n')}`));
      const timer = setTimeout(() => fail('does not listen'), START_TIMEOUT_MS);
      child.once('error', (cause) => fail(cause.message));
      child.once('exit', (code) => fail(`ended with ${code}`));
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue;
        createInterface({ input: stream }).on('line', (line) => {
          log.push(line);
          if (log.length > 200) log.shift();
          const port = /^listening on \S*?:(\d+)$/.exec(line)?.[1];
          if (!port) return;
          clearTimeout(timer);
          resolve(Number(port));
        });
      }
    });
  }

  /** Ends it at once, as a crash would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  /** Takes everything that it kept. It must not be running. */
  async wipe(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Publishes as a back end does; answers the message's id. */
  async publish(type: string, payload: unknown, more: Record<string, unknown> = {}): Promise<string> {
    const id = randomUUID();
    const answer = await fetch(`${this.url}/api/v1/publish`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token({ tenantId: 'pizza-roma', sub: 'gateway', role: 'system' })}` },
      body: JSON.stringify({ id, type, payload, ...more }),
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return id;
  }
}

/** Waits until `holds`, at most so long. */
export async function eventually(holds: () => boolean | Promise<boolean>, what = 'it', ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what} did not come to be within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
