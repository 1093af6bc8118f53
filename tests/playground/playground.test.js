import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { ROOT, startHub } from './hub.js';
import { Playground, launch } from './page.js';

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 375, height: 812 };
/** Nobody orders by himself: an order of an autopilot that is on its way would be taken for the one just clicked. */
const QUIET = { autopilot: 'off' };
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

scenario('an order placed by clicking is followed to its delivery', { ...WIDE, ...QUIET }, async (page) => {
  await followAnOrder(page, 'wide-light');
  assert.match(await page.page.locator('#p50').textContent(), /^\d+\.\d ms$/);
  assert.ok(await page.overflowPx() <= 0);
});

scenario('in a small window an event has a line, and so has the head of a ticket', { width: 1280, height: 800 }, async (page) => {
  await page.stage.locator('.ticket').first().waitFor();
  await page.stage.getByText('kitchen:preparation_completed').first().waitFor();
  await page.orderIdsOfTheWidestLetters();
  assert.deepEqual(await page.tallerThanALine('.event .type, .ticket-head'), []);
  assert.ok(await page.overflowPx() <= 0);
});

scenario('on a phone, too, and nothing scrolls sideways', { ...NARROW, ...QUIET, colorScheme: 'dark' }, async (page) => {
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

scenario('a cut line comes back by itself, says so, and hears what follows', { ...WIDE, ...QUIET }, async (page) => {
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

scenario('the focus stays where the person was, whatever else is drawn', { ...WIDE, ...QUIET }, async (page) => {
  const orders = [await page.order('Margherita'), await page.order('Margherita'), await page.order('Margherita')];
  const kitchen = await page.pane('kitchen');
  const focused = () => page.page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  // Another ticket goes: the button of this one keeps the focus.
  await kitchen.getByRole('button', { name: `Start: order ${orders[1]}` }).focus();
  await page.page.evaluate((orderId) => document.querySelector(`[aria-label="Start: order ${orderId}"]`).click(), orders[0]);
  await kitchen.getByRole('button', { name: `Start: order ${orders[2]}` }).waitFor();
  await kitchen.getByRole('button', { name: `Ready: order ${orders[0]}` }).waitFor();
  assert.equal(await focused(), `Start: order ${orders[1]}`);
  // Its own ticket goes: the next one's button has the focus. The hub may have brought a ticket that no kitchen of a page before
  // this one confirmed: then that is the next.
  const next = await kitchen.locator(`[data-order-id="${orders[1]}"] + .ticket`).getByRole('button').getAttribute('aria-label');
  await page.page.keyboard.press('Enter');
  await kitchen.getByRole('button', { name: `Ready: order ${orders[1]}` }).waitFor();
  assert.equal(await focused(), next);
});

scenario('a message can be opened, and says what it says', WIDE, async (page) => {
  await page.stopAutopilots();
  const orderId = await page.order('Margherita');
  const stream = page.stage.locator('[data-role="stream"]');
  const row = stream.locator('.event[data-type="order:created"][data-to="dashboard"]', { hasText: `#${orderId}` });
  await row.getByRole('button', { name: 'order:created' }).click();
  const message = JSON.parse(await row.locator('.json').textContent());
  assert.equal(message.payload.orderId, orderId);
  assert.equal(message.tenantId, 'pizza-roma');
  await row.locator('.latency', { hasText: /^\d+\.\d ms$/ }).waitFor();
  await page.screenshot('wide-light-message');
  await row.getByRole('button', { name: 'order:created' }).click();
  assert.equal(await row.locator('.json').isVisible(), false);
});

scenario('an event of one\'s own is sent, and the hub\'s answer shown', WIDE, async (page) => {
  const lab = await page.pane('lab');
  await lab.getByText('Send an event of your own').click();
  await lab.getByLabel('Payload, as JSON').fill('{ "message": "from a person" }');
  await lab.getByRole('button', { name: 'Send', exact: true }).click();
  await lab.locator('.answer[data-success="true"]').waitFor();
  await page.stage.locator('.event[data-type="notification:info"]').first().waitFor();
  await lab.getByLabel('Payload, as JSON').fill('{ "message": ');
  await lab.getByRole('button', { name: 'Send', exact: true }).click();
  await lab.locator('.answer[data-success="false"]', { hasText: 'This is not JSON' }).waitFor();
  await lab.getByLabel('Payload, as JSON').fill('{}');
  await lab.getByRole('button', { name: 'Send', exact: true }).click();
  await lab.locator('.answer[data-success="false"]', { hasText: 'payload_invalid' }).waitFor();
  await page.screenshot('wide-light-own-event');
});

for (const [name, view] of [['wide-light', { width: 1280, height: 800 }], ['narrow-dark', { ...NARROW, colorScheme: 'dark' }]]) {
  scenario(`the back end is asked, and answers, refuses or is too late: ${name}`, { ...view, ...QUIET }, async (page) => {
    await page.order('Margherita');
    const pane = await page.sidePane('Back end', 'back-end');
    const ask = async (label, as = 'dashboard') => {
      await pane.locator('select[name="as"]').selectOption({ label: as });
      await pane.locator('select[name="request"]').selectOption({ label });
      await pane.getByRole('button', { name: 'Ask', exact: true }).click();
      await pane.locator('.outcome', { hasText: /after \d+\.\d ms/ }).waitFor();
      await pane.getByRole('button', { name: 'Ask', exact: true }).waitFor();
      return JSON.parse(await pane.locator('.answer').textContent());
    };
    const details = await ask('order:get_details (the newest order)');
    // The town orders as well: which one is the newest, the pane says.
    const { orderId } = JSON.parse(await pane.getByLabel('Payload, as JSON').inputValue());
    assert.deepEqual(details, { success: true, data: { orderId, events: ['order:created'] } });
    await page.screenshot(`${name}-back-end`);
    assert.ok(await page.overflowPx() <= 0);
    const refused = await ask('order:get_details (an order that is not there)');
    assert.equal(refused.error.code, 'upstream_refused');
    assert.equal(refused.error.message, 'no such order: NOSUCH');
    const secret = await ask('admin:get_connection_stats (for administrators alone)', 'kitchen');
    assert.equal(secret.error.message, 'only an administrator may know who is connected');
    const late = await ask('demo:answer_late (answered too late)');
    assert.equal(late.error.code, 'timeout');
    await page.screenshot(`${name}-back-end-late`);
  });
}

for (const [name, view] of [['wide-light', WIDE], ['narrow-dark', { ...NARROW, colorScheme: 'dark' }]]) {
  scenario(`who only listens hears each event once, and after a pause what came meanwhile: ${name}`, { ...view, ...QUIET }, async (page) => {
    const pane = await page.sidePane('Listen', 'listen');
    const listening = () => pane.locator('.chip', { hasText: /^listening$/ }).waitFor();
    const note = pane.getByRole('status');
    const row = (orderId) => pane.locator(`li[data-type="order:created"][data-order-id="${orderId}"]`);
    const show = () => page.sidePane('Listen', 'listen');
    await pane.getByRole('button', { name: 'Listen', exact: true }).click();
    await listening();
    const heard = await page.order('Margherita');
    await show();
    await row(heard).waitFor();
    assert.match(await row(heard).locator('.id').textContent(), /^\S+-\d+/);
    assert.equal(await row(heard).getAttribute('data-missed'), 'false');
    await pane.scrollIntoViewIfNeeded();
    await page.screenshot(`${name}-listen`);
    await pane.getByRole('button', { name: 'Pause' }).click();
    await note.filter({ hasText: /^Paused behind \S+\./ }).waitFor();
    const pausedBehind = /behind (\S+)\./.exec(await note.textContent())[1];
    const missed = [await page.order('Margherita'), await page.order('Margherita')];
    await show();
    for (const orderId of missed) assert.equal(await row(orderId).count(), 0, 'nothing is heard while it is paused');
    await page.screenshot(`${name}-listen-paused`);
    await pane.getByRole('button', { name: 'Resume' }).click();
    await listening();
    for (const orderId of missed) {
      await row(orderId).waitFor();
      assert.equal(await row(orderId).getAttribute('data-missed'), 'true');
    }
    const [, wentOnBehind, events] = /^Went on behind (\S+): (\d+) events had come meanwhile\.$/.exec(await note.textContent());
    assert.equal(wentOnBehind, pausedBehind);
    assert.ok(Number(events) >= missed.length, events);
    for (const orderId of [heard, ...missed]) assert.equal(await row(orderId).count(), 1, 'each once');
    await pane.scrollIntoViewIfNeeded();
    await page.screenshot(`${name}-listen-resumed`);
    assert.ok(await page.overflowPx() <= 0);
  });
}

scenario('an event has its name of today beside it, where that is another', { ...WIDE, ...QUIET }, async (page) => {
  const orderId = await page.order('Margherita');
  const row = (to) => page.stage.locator(`.event[data-type="order:created"][data-to="${to}"]`, { hasText: `#${orderId}` });
  await row('kitchen').waitFor();
  assert.match(await row('kitchen').locator('.today').textContent(), /^today's \w+/);
});

test('the latency is the way from the hub, not the painting of the page', { timeout: TEST_TIMEOUT_MS }, () =>
  withPage(WIDE, async (page) => {
    // The page is kept busy for 80 ms of each 100: what is painted late has arrived in time.
    await page.page.evaluate(() => setInterval(() => {
      const untilMs = performance.now() + 80;
      while (performance.now() < untilMs);
    }, 100));
    const row = page.stage.locator('.event[data-type="delivery:location_updated"] .latency', { hasText: / ms$/ });
    await row.first().waitFor({ timeout: 60_000 });
    await page.page.waitForTimeout(5_000);
    const p50Ms = parseFloat(await page.page.locator('#p50').textContent());
    assert.ok(p50Ms < 40, `p50 is ${p50Ms} ms`);
  }));

test('a stream goes on by itself when the hub comes back, with the id of its last event', { timeout: TEST_TIMEOUT_MS }, async () => {
  const dataDir = await mkdtemp(`${tmpdir()}/foodtrack-playground-`);
  const kept = ['--data-dir', dataDir];
  let ownHub = await startHub(0, kept);
  const page = await Playground.open(browser, ownHub.url, { ...WIDE, ...QUIET });
  try {
    const pane = await page.sidePane('Listen', 'listen');
    const row = (orderId) => pane.locator(`li[data-type="order:created"][data-order-id="${orderId}"]`);
    await pane.getByRole('button', { name: 'Listen', exact: true }).click();
    await pane.locator('.chip[data-state="connected"]').waitFor();
    const before = await page.order('Margherita');
    await row(before).waitFor();
    await ownHub.stop();
    await pane.locator('.chip[data-state="reconnecting"]').waitFor();
    const lastId = /^The last id is (\S+)\.$/.exec(await pane.getByRole('status').textContent())[1];
    ownHub = await startHub(ownHub.port, kept);
    await pane.locator('.chip[data-state="connected"]').waitFor({ timeout: 30_000 });
    await page.connected('customer');
    const after = await page.order('Margherita');
    await row(after).waitFor();
    // The stream's address names no id: without the header, what was sent and never confirmed would come again.
    assert.equal(await row(before).count(), 1, 'nothing comes twice');
    assert.match(await pane.getByRole('status').textContent(), new RegExp(`^Went on behind ${lastId}: `));
  } finally {
    await page.close();
    await ownHub.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('a hub that is away is said to be, and its return too', { timeout: TEST_TIMEOUT_MS }, async () => {
  let ownHub = await startHub();
  const page = await Playground.open(browser, ownHub.url, WIDE);
  try {
    await ownHub.stop();
    const banner = page.page.locator('#hub');
    await banner.filter({ hasText: /^The hub has not answered for \d+ s\./ }).waitFor();
    await page.screenshot('wide-light-away');
    ownHub = await startHub(ownHub.port);
    await banner.filter({ hasText: /^The hub is back after \d+ s\. \d+ of \d+ lines went on where they were\.$/ }).waitFor({ timeout: 30_000 });
    await banner.waitFor({ state: 'hidden', timeout: 30_000 });
  } finally {
    await page.close();
    await ownHub.stop();
  }
});
