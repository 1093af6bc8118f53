import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { ROOT, startHub } from './hub.js';
import { Playground, launch } from './page.js';

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 375, height: 812 };
const TEST_TIMEOUT_MS = 120_000;

let hub;
let browser;

before(async () => {
  hub = await startHub();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function withPage(view, run) {
  const page = await Playground.open(browser, hub.url, view);
  try {
    await run(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.close();
  }
}

const scenario = (name, view, run) => test(name, { timeout: TEST_TIMEOUT_MS }, () => withPage(view, run));

async function followAnOrder(page, shot) {
  await page.stopAutopilots();
  const orderId = await page.order('Margherita');
  await page.customerSees(orderId, 'placed');
  await page.click('kitchen', `Start: order ${orderId}`);
  await page.customerSees(orderId, 'preparing');
  await page.click('kitchen', `Ready: order ${orderId}`);
  await page.customerSees(orderId, 'ready');
  await page.click('dashboard', `Assign order ${orderId} to Luca`);
  await page.customerSees(orderId, 'assigned');
  await page.click('courier', `Pick up order ${orderId}`);
  await page.customerSees(orderId, 'on_the_way');
  const customer = await page.pane('customer');
  await customer.locator('.map[data-couriers="1"]').waitFor();
  await page.screenshot(`${shot}-on-the-way`);
  await page.click('courier', `Hand over order ${orderId}`);
  await page.customerSees(orderId, 'delivered');
}

test('the vendored client is the npm package, byte for byte', async () => {
  const vendored = await readFile(`${ROOT}crates/server/playground/vendor/socket.io.min.js`);
  const published = await readFile(new URL('node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url));
  assert.ok(vendored.equals(published));
});

scenario('an order placed by clicking is followed to its delivery', WIDE, async (page) => {
  await followAnOrder(page, 'wide-light');
  assert.match(await page.page.locator('#p50').textContent(), /^\d+\.\d ms$/);
  assert.ok(await page.overflowPx() <= 0);
});

scenario('on a phone, too, and nothing scrolls sideways', { ...NARROW, colorScheme: 'dark' }, async (page) => {
  await followAnOrder(page, 'narrow-dark');
  for (const role of ['customer', 'dashboard', 'kitchen', 'courier', 'lab']) {
    await page.pane(role);
    assert.ok(await page.overflowPx() <= 0, role);
    await page.screenshot(`narrow-dark-${role}`);
  }
});

scenario('both restaurants live by themselves, and neither sees the other', { ...WIDE, colorScheme: 'dark' }, async (page) => {
  for (const restaurant of ['Pizza Roma', 'Sushi Kyoto']) {
    await page.turnTo(restaurant);
    const dashboard = await page.pane('dashboard');
    await dashboard.locator('.row[data-status="delivered"]').first().waitFor({ timeout: 60_000 });
    await page.screenshot(`wide-dark-${restaurant === 'Pizza Roma' ? 'roma' : 'kyoto'}`);
    const { own, foreign } = await page.counts();
    assert.ok(own > 20, `${restaurant} received ${own} of its own events`);
    assert.equal(foreign, 0, restaurant);
  }
});

scenario('who tries to read the other restaurant is refused, with a code and a sentence', WIDE, async (page) => {
  await page.click('lab', 'Try to read Sushi Kyoto');
  const verdicts = (await page.pane('lab')).locator('.verdicts li');
  await verdicts.nth(2).waitFor();
  for (const verdict of await verdicts.all()) {
    assert.equal(await verdict.getAttribute('data-refused'), 'true', await verdict.textContent());
    assert.match(await verdict.locator('.verdict').textContent(), /^[a-z_]+ \S.+/);
  }
  assert.match(await verdicts.nth(0).textContent(), /(room|order)_forbidden/);
  assert.match(await verdicts.nth(2).textContent(), /tenant_mismatch/);
  await page.screenshot('wide-light-refused');
  assert.equal((await page.counts()).foreign, 0);
});

scenario('a cut line comes back by itself, says so, and hears what follows', WIDE, async (page) => {
  await page.stopAutopilots();
  const orderId = await page.order('Diavola');
  const customer = await page.pane('customer');
  await customer.getByRole('button', { name: 'Cut the line of Customer' }).click();
  await customer.locator('.chip[data-state="reconnecting"]').waitFor();
  await customer.locator('.after', { hasText: /back after \d+ ms, (nothing missed|without what it missed)/ }).waitFor();
  assert.match(await customer.locator('.chip').textContent(), /^connected · (websocket|polling)$/);
  await page.click('kitchen', `Start: order ${orderId}`);
  await page.customerSees(orderId, 'preparing');
  await page.screenshot('wide-light-back');
});

scenario('fifty orders at once are all taken', WIDE, async (page) => {
  await page.click('lab', '50 orders');
  const lab = await page.pane('lab');
  await lab.locator('.burst', { hasText: '50 of 50 orders placed' }).waitFor({ timeout: 60_000 });
  await page.screenshot('wide-light-burst');
});
