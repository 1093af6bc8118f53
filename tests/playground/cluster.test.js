// Three nodes behind one address: one is killed by a button, another one started again, and nothing is missed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { io } from 'socket.io-client';
import { ROOT, startHub } from './hub.js';
import { Playground, launch } from './page.js';

const TEST_TIMEOUT_MS = 120_000;
const missing = [['redis-server', ['--version']], ['nginx', ['-v']], ['/usr/sbin/nginx', ['-v']]]
  .filter(([program, flags]) => spawnSync(program, flags).error).map(([program]) => program);
const skip = (missing.includes('redis-server') && 'redis-server is not installed')
  || (missing.includes('nginx') && missing.includes('/usr/sbin/nginx') && 'nginx is not installed');

let hub;
let browser;

before(async () => {
  if (skip) return;
  hub = await startHub(0, ['--nodes', '3']);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

const nodesOf = async ({ url }) => (await (await fetch(new URL('/demo/nodes', url))).json()).nodes;

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function eventually(holds, what, ms = 20_000) {
  const end = Date.now() + ms;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** An order goes all its way by clicking. */
async function deliver(page) {
  const orderId = await page.order('Margherita');
  await page.click('kitchen', `Start: order ${orderId}`);
  await page.click('kitchen', `Ready: order ${orderId}`);
  await page.click('dashboard', `Assign order ${orderId} to Luca`);
  await page.click('courier', `Pick up order ${orderId}`);
  await page.click('courier', `Hand over order ${orderId}`);
  await page.customerSees(orderId, 'delivered');
}

for (const [name, view] of [
  ['wide-light', { width: 1440, height: 900 }], ['narrow-dark', { width: 375, height: 812, colorScheme: 'dark' }],
]) {
  test(`a node is killed and another one started again, and nothing is missed: ${name}`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    const page = await Playground.open(browser, hub.url, { ...view, autopilot: 'off' });
    try {
      const show = () => page.sidePane('Nodes', 'nodes');
      const pane = await show();
      const row = (node) => pane.locator(`[data-node="${node}"]`);
      const count = async (key) => Number(await pane.locator(`[data-count="${key}"]`).textContent());
      for (const node of ['node-1', 'node-2', 'node-3']) await row(node).getByText('running').waitFor();
      await pane.scrollIntoViewIfNeeded();
      await page.screenshot(`${name}-nodes`);
      await deliver(page);
      let acknowledged = 0;
      for (const node of ['node-1', 'node-2', 'node-3']) {
        await show();
        await row(node).getByRole('button', { name: `Kill ${node}` }).click();
        await row(node).getByText('killed').waitFor();
        if (node === 'node-2') {
          await pane.scrollIntoViewIfNeeded();
          await page.screenshot(`${name}-nodes-killed`);
        }
        await deliver(page);
        await show();
        await eventually(async () => await count('onTheirWay') === 0, 'all that was acknowledged is at the dashboard');
        assert.ok(await count('acknowledged') >= acknowledged + 8, 'an order is eight events');
        acknowledged = await count('acknowledged');
        assert.equal(await count('arrived'), acknowledged);
        assert.equal(await count('twice'), 0);
        await row(node).getByRole('button', { name: `Start ${node}` }).click();
        await row(node).getByText('running').waitFor();
      }
      await pane.scrollIntoViewIfNeeded();
      await page.screenshot(`${name}-nodes-after`);
      assert.ok(await page.overflowPx() <= 0);
      const segments = page.stage.getByRole('group', { name: 'Experiments' });
      if (!page.narrow) assert.ok(await segments.evaluate((group) => group.scrollWidth <= group.clientWidth), 'each choice fits');
      assert.deepEqual(page.complaints.filter((it) => !/WebSocket|Failed to load resource/.test(it)), []);
    } finally {
      await page.close();
    }
  });
}

test('connections are spread over the nodes, and another origin\'s page cannot kill one', { skip, timeout: TEST_TIMEOUT_MS }, async () => {
  const page = await Playground.open(browser, hub.url, { width: 1440, height: 900, autopilot: 'off' });
  try {
    await eventually(async () => (await nodesOf(hub)).every(({ connections }) => connections > 0), 'each node has clients');
    const forged = await fetch(new URL('/demo/nodes/node-1/kill', hub.url), { method: 'POST', body: 'x=1' });
    assert.equal(forged.status, 415);
    assert.ok((await nodesOf(hub)).every(({ state }) => state === 'running'));
    const nobody = await fetch(new URL('/demo/nodes/node-9/kill', hub.url), { method: 'POST', headers: { 'content-type': 'application/json' } });
    assert.equal(nobody.status, 404);
  } finally {
    await page.close();
  }
});

test('clients that only poll keep their session behind the balancer, and hear what others do', { skip, timeout: TEST_TIMEOUT_MS }, async () => {
  const token = async (application, user) =>
    (await (await fetch(new URL(`/demo/token?tenant=pizza-roma&application=${application}&user=${user}`, hub.url))).json()).token;
  const heard = [];
  const sockets = await Promise.all(['one', 'two', 'three'].map(async (user) => {
    const auth = { token: await token('kitchen_app', user), application: 'kitchen_app' };
    const socket = io(hub.url, { auth, transports: ['polling'], forceNew: true });
    socket.on('order:created', ({ payload }) => heard.push(`${user} ${payload.orderId}`));
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject));
    return socket;
  }));
  try {
    const customer = io(hub.url, { auth: { token: await token('client_app', 'polly'), application: 'client_app' }, transports: ['websocket'] });
    sockets.push(customer);
    const payload = { orderId: 'POLLED', customerId: 'polly' };
    assert.equal((await customer.timeout(8_000).emitWithAck('order:created', payload)).success, true);
    const expected = ['one POLLED', 'three POLLED', 'two POLLED'];
    await eventually(() => heard.filter((it) => it.endsWith('POLLED')).length === 3, 'all three hear it');
    assert.deepEqual(heard.filter((it) => it.endsWith('POLLED')).sort(), expected);
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
});

for (const signal of ['SIGINT', 'SIGKILL']) {
  test(`all that it started ends with it: ${signal}`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    const own = await startHub(0, ['--nodes', '2']);
    const children = spawnSync('pgrep', ['-P', String(own.pid)], { encoding: 'utf8' }).stdout.trim().split('\n').map(Number);
    assert.equal(children.length, 4, 'two nodes, a Redis and nginx');
    own.signal(signal);
    await eventually(() => children.every((pid) => !isAlive(pid)), 'all of them have ended');
    await own.stop();
  });
}

test('what is missing is said, and how to install it', { timeout: TEST_TIMEOUT_MS }, () => {
  const binary = process.env.FOODTRACK_BINARY ?? `${ROOT}target/debug/foodtrack-websocket`;
  const { status, stderr } = spawnSync(binary, ['demo', '--nodes', '3', '--port', '0'], { env: { PATH: '/nowhere' }, encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /needs redis-server.*apt install redis-server nginx-light/);
});
