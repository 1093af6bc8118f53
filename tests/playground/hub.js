// The hub as a child process, on a port of its own choice.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 20_000;

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINARY = process.env.FOODTRACK_BINARY ?? `${ROOT}target/debug/foodtrack-websocket`;

/** Starts `demo` on `port`, or on one of its own choice, with more arguments; answers `{ url, port, pid, signal, stop }` once it listens. */
export function startHub(port = 0, more = []) {
  return start(['demo', '--port', String(port), ...more]);
}

/** Starts the hub with these arguments; answers as `startHub`. */
export async function start(args) {
  const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(kill);
  };
  const listening = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${BINARY} ${args[0]}: ${why}\n${log.join('\n')}`));
    const timer = setTimeout(() => fail(`not listening after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    child.once('error', (cause) => fail(cause.message));
    child.once('exit', (code) => fail(`ended with ${code}`));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.push(line);
        if (log.length > 200) log.shift();
        const port = /listening on \S*?:(\d+)\b(?!\S*:\d)/.exec(line)?.[1];
        if (!port) return;
        clearTimeout(timer);
        resolve(Number(port));
      });
    }
  }).catch(async (cause) => {
    await stop();
    throw cause;
  });
  const signal = (name) => child.kill(name);
  return { url: `http://127.0.0.1:${listening}/`, port: listening, pid: child.pid, signal, stop };
}
