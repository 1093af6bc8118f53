// Socket.IO's public admin page, unmodified, against the namespace /admin.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DashboardHub, token } from './dashboard_page.js';
import { launch } from './page.js';

const PAGES = new URL('node_modules/@socket.io/admin-ui/ui/dist/', import.meta.url).pathname;
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', png: 'image/png' };
const TEST_TIMEOUT_MS = 60_000;

let pages;
let origin;
let hub;
let browser;

before(async () => {
  pages = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const file = path === '/' ? 'index.html' : path.slice(1);
    response.setHeader('content-type', TYPES[file.split('.').at(-1)] ?? 'application/octet-stream');
    response.end(await readFile(join(PAGES, file)).catch(() => ''));
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${pages.address().port}`;
  hub = await DashboardHub.start(`[cors]\norigin = ["${origin}"]\n[adminUi]\nenabled = true\nreadOnly = false\n`);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  pages?.close();
});

async function logIn(page, password) {
  await page.getByLabel('Server URL').fill(hub.url.slice(0, -1));
  await page.getByLabel('Username').fill('olga');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
}

test('the public admin page shows a tenant its own sockets, rooms and events', { timeout: TEST_TIMEOUT_MS }, async () => {
  const device = await hub.device('roma', 'carlo', 'chef', 'kitchen_app', 'tablet 2');
  const other = await hub.device('kyoto', 'kenji', 'chef', 'kitchen_app', 'tablet 9');
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(origin);
  await logIn(page, token('roma', 'olga', 'restaurant_owner', { secret: 'a secret of somebody else, of at least 32 bytes' }));
  await page.getByText('Invalid credentials').waitFor();
  await logIn(page, token('roma', 'olga', 'restaurant_owner'));
  await page.getByText('Invalid credentials').waitFor({ state: 'hidden' });
  await page.goto(`${origin}/#/sockets/`);
  await page.getByText(device.id).first().waitFor();
  assert.equal(await page.getByText(other.id).count(), 0);
  await page.goto(`${origin}/#/rooms/`);
  await page.getByText('tenant:roma').first().waitFor();
  assert.equal(await page.getByText('tenant:kyoto').count(), 0);
  await hub.publish('roma', 'order:created', { orderId: '7' });
  await page.goto(`${origin}/#/events/`);
  await page.getByText('order:created').first().waitFor();
});

test('who may act ends one socket of its own tenant, and of no other', { timeout: TEST_TIMEOUT_MS }, async () => {
  const [own, other] = await Promise.all([hub.device('roma', 'carlo', 'chef', 'kitchen_app', 'bar'), hub.device('kyoto', 'kenji', 'chef', 'kitchen_app', 'bar')]);
  const gone = new Promise((resolve) => own.once('disconnect', resolve));
  const admin = await hub.admin(token('roma', 'olga', 'restaurant_owner'));
  admin.emit('_disconnect', '/', false, other.id);
  admin.emit('_disconnect', '/', false, own.id);
  assert.equal(await gone, 'io server disconnect');
  assert.ok(other.connected);
});
