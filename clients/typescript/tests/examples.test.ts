import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { afterEach, expect, test } from 'vitest';

import { CHEF, Hub, eventually, token } from './hub.js';

let hub: Hub | undefined;
afterEach(() => hub?.stop());

function run(name: string, environment: Record<string, string> = {}) {
  const lines: string[] = [];
  const file = fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment } });
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => lines.push(line));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { child, lines, ended };
}

test('the kitchen gets an order and starts it', async () => {
  hub = await Hub.start();
  const { child, lines, ended } = run('kitchen.mjs', { HUB_URL: hub.url, TOKEN: token(CHEF) });
  await eventually(() => lines.includes('state: live'), 'a live kitchen');
  await hub.publish('order:created', { orderId: '42' });
  await eventually(() => lines.some((line) => line.startsWith('started: 42')), `the order's start: ${lines.join(', ')}`);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('an order that is wrong is told before it is sent', async () => {
  const { lines, ended } = run('check-order.mjs');
  await ended;
  expect(lines.map((line) => line.split(':')[0])).toEqual(['payload.orderId', 'payload.items.1']);
});
