import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { Site, Tab, launch } from './browser/site.js';
import { Hub, eventually } from './hub.js';

let browser: Browser;
let site: Site;
let hub: Hub;
let context: BrowserContext;
const tabs: Tab[] = [];

beforeAll(async () => { [browser, site] = await Promise.all([launch(), Site.start()]); });
afterAll(async () => {
  await browser?.close();
  await site?.stop();
});
beforeEach(async () => {
  hub = await Hub.start();
  context = await browser.newContext();
  site.tokenSeconds = 3_600;
});
afterEach(async () => {
  await context?.close();
  await hub?.stop();
  expect(tabs.splice(0).flatMap((tab) => tab.complaints)).toEqual([]);
});

async function open(query = ''): Promise<Tab> {
  const tab = await Tab.open(context, site, hub.url, query);
  tabs.push(tab);
  await eventually(() => tab.isLive(), 'a live tab');
  return tab;
}

/** Publishes updates of an order one after the other, until it is told to stop; answers their ids. */
function stream(): () => Promise<string[]> {
  const ids: string[] = [];
  let isOver = false;
  const publish = async () => {
    while (!isOver) ids.push(await hub.publish('order:updated', { orderId: '1', number: ids.length }));
    return ids;
  };
  const published = publish();
  return () => {
    isOver = true;
    return published;
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until every tab had the effects of all, and a moment longer for what comes twice. */
async function expectEffects(published: string[], ...of: Tab[]): Promise<void> {
  for (const tab of of) {
    await eventually(async () => (await tab.effects()).length >= published.length, 'every effect');
  }
  await pause(300);
  for (const tab of of) expect(await tab.effects()).toEqual(published);
}

/** In any tab: they share the device. */
async function expectOnceForDevice(published: string[], tab: Tab): Promise<void> {
  await eventually(async () => Object.keys(await tab.deviceEffects()).length === published.length, 'every effect of the device');
  expect(await tab.deviceEffects()).toEqual(Object.fromEntries(published.map((id) => [id, 1])));
}

test('a page that is reloaded in the middle of a stream has the effect of each event once, in order', async () => {
  const tab = await open();
  const stop = stream();
  for (let n = 0; n < 4; n += 1) {
    await pause(250 + 130 * n);
    await tab.page.reload();
  }
  await eventually(() => tab.isLive());
  expect(await tab.page.evaluate(() => window.tab.client.state)).toEqual({ status: 'live', recovered: true });
  const published = await stop();
  expect(published.length).toBeGreaterThan(20);
  await expectEffects(published, tab);
  await expectOnceForDevice(published, tab);
});

test('two tabs get each event once each, and what must happen once for the device happens once', async () => {
  const [first, second] = [await open(), await open()];
  const stop = stream();
  await pause(500);
  await first.page.reload();
  await pause(500);
  const published = await stop();
  await expectEffects(published, first, second);
  await expectOnceForDevice(published, first);
});

test('the hub is killed and starts again under a page: each event once, in order', async () => {
  const tab = await open();
  const published: string[] = [];
  for (let n = 0; n < 20; n += 1) {
    if (n === 10) {
      await hub.kill();
      await hub.start();
    }
    published.push(await hub.publish('order:updated', { orderId: '1', number: n }));
  }
  await expectEffects(published, tab);
});

test('what is published offline survives a reload, and arrives once and in order', async () => {
  const owner = await open('&application=tenant_dashboard&react');
  await owner.page.evaluate(() => {
    const got: unknown[] = [];
    Object.assign(window, { got });
    window.tab.client.on('kitchen:order_received', ({ payload }) => void got.push(payload['number']));
  });
  const kitchen = await open();
  await hub.kill();
  await eventually(async () => !(await kitchen.isLive()));
  const publish = (from: number) => kitchen.page.evaluate((first) => {
    for (let number = first; number < first + 3; number += 1) {
      window.tab.client.publish('kitchen:order_received', { orderId: '1', number }).catch(() => {});
    }
  }, from);
  const count = () => kitchen.page.evaluate(() => window.tab.client.outboxCount());
  await publish(0);
  await eventually(async () => await count() === 3);
  await kitchen.page.reload();
  await publish(3);
  await eventually(async () => await count() === 6);
  await hub.start();
  await eventually(async () => await count() === 0, 'an empty outbox');
  const got = () => owner.page.evaluate(() => (window as unknown as { got: number[] }).got);
  await eventually(async () => (await got()).length >= 6);
  await pause(300);
  expect(await got()).toEqual([0, 1, 2, 3, 4, 5]);
});

test('tokens that end are renewed under a page, which misses nothing', async () => {
  site.tokenSeconds = 7;
  const before = site.tokensGiven;
  const tab = await open();
  const published: string[] = [];
  const end = Date.now() + 9_000;
  while (Date.now() < end) {
    published.push(await hub.publish('order:updated', { orderId: '1' }));
    await pause(200);
  }
  expect(site.tokensGiven - before).toBeGreaterThan(1);
  await expectEffects(published, tab);
});

test('components get what came before they were there, once, also in React\'s strict mode', async () => {
  const tab = await open('&react');
  await hub.publish('order:created', { orderId: '7', customerId: 'ada' });
  await hub.publish('order:status_changed', { orderId: '7', status: 'preparing' });
  await pause(300);
  await tab.page.evaluate(() => window.tab.show('7'));
  const order = tab.page.locator('#order[data-connection="live"]');
  await tab.page.locator('#order[data-status="preparing"][data-events="2"]').waitFor();
  await hub.publish('order:status_changed', { orderId: '7', status: 'ready' });
  await hub.publish('order:status_changed', { orderId: '8', status: 'lost' });
  await tab.page.locator('#order[data-status="ready"][data-events="3"]').waitFor();
  await eventually(async () => (await order.textContent()) === 'preparing ready lost');
});
