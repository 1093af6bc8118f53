// The playground as a person sees it: what can be clicked, by the names that are read out.

import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { ROOT } from './hub.js';

const SCREENSHOTS = `${ROOT}target/playground`;
const NAMES = { customer: 'Customer', dashboard: 'Dashboard', kitchen: 'Kitchen', courier: 'Courier', lab: 'Events' };

/** Debian's Chromium, without a network of its own. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/** One open page. */
export class Playground {
  /** What the browser complained about: exceptions, refused resources, broken policies. */
  complaints = [];

  static async open(browser, url, { width, height, colorScheme = 'light', autopilot = 'on' }) {
    const playground = new Playground();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => playground.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') playground.complaints.push(message.text());
    });
    Object.assign(playground, { context, page, narrow: width < 720 });
    await page.goto(`${url}?autopilot=${autopilot}`);
    for (const role of ['customer', 'dashboard', 'kitchen', 'courier']) await playground.connected(role);
    return playground;
  }

  /** The restaurant in view. */
  get stage() {
    return this.page.locator('.stage:not([hidden])');
  }

  /** A pane of it; on a phone it is brought into view first. */
  async pane(role) {
    if (this.narrow) await this.page.locator('#panes').getByRole('button', { name: NAMES[role] }).click();
    return this.stage.locator(`[data-role="${role}"]`);
  }

  /** One of the panes that share a place, by its title there. */
  async sidePane(title, role) {
    await this.pane('lab');
    if (!this.narrow) await this.stage.getByRole('group', { name: 'Experiments' }).getByRole('button', { name: title }).click();
    return this.stage.locator(`[data-role="${role}"]`);
  }

  async connected(role) {
    const pane = await this.pane(role);
    await pane.locator('.chip[data-state="connected"]').waitFor();
  }

  async turnTo(restaurant) {
    await this.page.getByRole('group', { name: 'Restaurant' }).getByRole('button', { name: restaurant }).click();
  }

  async stopAutopilots() {
    for (const role of ['customer', 'dashboard', 'kitchen', 'courier']) {
      const pane = await this.pane(role);
      await pane.getByRole('switch', { name: 'Autopilot' }).uncheck();
    }
  }

  /** Orders two of `dish` by clicking; answers the order's id. */
  async order(dish) {
    const customer = await this.pane('customer');
    await customer.getByRole('button', { name: 'Menu' }).click();
    const before = await customer.locator('.my-order').getAttribute('data-order-id');
    const more = customer.getByRole('button', { name: `One ${dish} more` });
    await more.click();
    await more.click();
    await customer.getByRole('button', { name: /^Place order/ }).click();
    await customer.locator(`.my-order[data-order-id]:visible:not([data-order-id="${before}"])`).waitFor();
    return customer.locator('.my-order').getAttribute('data-order-id');
  }

  async click(role, name) {
    const pane = await this.pane(role);
    await pane.getByRole('button', { name }).click();
  }

  /** Waits until the customer's phone shows `orderId` in `status`. */
  async customerSees(orderId, status) {
    const customer = await this.pane('customer');
    await customer.locator(`.my-order[data-order-id="${orderId}"][data-status="${status}"]`).waitFor();
  }

  /** How many events of the own and of the other tenant this restaurant's connections received. */
  async counts() {
    const lab = await this.pane('lab');
    const count = async (which) => Number(await lab.locator(`[data-count="${which}"]`).textContent());
    return { own: await count('own'), foreign: await count('foreign') };
  }

  /** By how many pixels the page is wider than its window. */
  overflowPx() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  }

  /** The texts of what is in view of the restaurant, matches the selector and takes more than one line. */
  tallerThanALine(selector) {
    return this.stage.locator(selector).evaluateAll((all) => all
      .filter((one) => one.getBoundingClientRect().height > 2 * parseFloat(getComputedStyle(one).fontSize) * 1.2)
      .map((one) => one.textContent));
  }

  /** Order ids are random: shows in each ticket's head the one that takes the most room. */
  orderIdsOfTheWidestLetters() {
    return this.stage.locator('.ticket-head strong').evaluateAll((all) => {
      for (const one of all) one.textContent = one.textContent.replaceAll(/[^#]/g, 'W');
    });
  }

  async screenshot(name) {
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
  }

  close() {
    return this.context.close();
  }
}
