// The page of the HTTP API, as a person reads it: drawn from what the hub says of itself.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { ROOT, startHub } from './hub.js';
import { launch } from './page.js';

const SCREENSHOTS = `${ROOT}target/playground`;
const VIEWS = [['wide-light', { width: 1280, height: 900 }, 'light'], ['narrow-dark', { width: 375, height: 812 }, 'dark']];

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

for (const [name, viewport, colorScheme] of VIEWS) {
  test(`every operation that the hub describes is on the page, and found by its words (${name})`, { timeout: 60_000 }, async () => {
    const description = await (await fetch(new URL('/api/v1/openapi.json', hub.url))).json();
    const described = Object.values(description.paths).flatMap((item) => Object.values(item).map((one) => one.operationId));
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(new URL('/api/v1/reference#publish', hub.url).href);
    await page.locator('details').first().waitFor();
    const drawn = await page.locator('details').evaluateAll((all) => all.map((one) => one.id));
    assert.deepEqual(drawn.toSorted(), described.toSorted());
    const body = page.locator('#publish pre').first();
    assert.ok(await body.isVisible(), 'the operation that the address names is open');
    assert.equal(JSON.parse(await body.textContent()).type, 'order:created');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, 'the page is wider than the window');
    await mkdir(SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${SCREENSHOTS}/reference-${name}.png` });
    await page.getByRole('searchbox').fill('deadletter');
    const shown = await page.locator('details:visible').evaluateAll((all) => all.map((one) => one.id));
    assert.deepEqual(shown.toSorted(), described.filter((id) => id.includes('DeadLetter')).toSorted());
    assert.deepEqual(complaints, []);
    await context.close();
  });
}
