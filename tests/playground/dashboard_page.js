// The dashboard as a person uses it, and a hub for it with tenants of its own.

import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { ROOT, start } from './hub.js';

const SECRET = 'a secret of the dashboard’s test, of at least 32 bytes';
export const OPERATOR = '0123456789abcdef0123456789abcdef';
const SCREENSHOTS = `${ROOT}target/playground`;

const CONFIG = `
host = "127.0.0.1"
port = 0
shards = 1
[security]
jwtSecret = "${SECRET}"
[dashboard]
operatorToken = "${OPERATOR}"
[retry]
maxAttempts = 1
baseDelayMs = 50
[[delivery]]
event = "kitchen:notification"
acknowledge = true
`;

/** A token that is good for so many seconds from now. */
export function token(tenantId, userId, role, { seconds = 3600, secret = SECRET, applicationTypes = role === 'system' ? [] : ['tenant_dashboard'] } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const part = (said) => Buffer.from(JSON.stringify(said)).toString('base64url');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ tenantId, userId, role, applicationTypes, iat: now - 7200, exp: now + seconds })}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

/** A hub, its tenants' back ends and devices. */
export class DashboardHub {
  #folder;
  #hub;
  #sockets = [];

  /** `more` is more of the configuration. */
  static async start(more = '') {
    const it = new DashboardHub();
    it.#folder = await mkdtemp(join(tmpdir(), 'foodtrack-dashboard-'));
    const config = join(it.#folder, 'hub.toml');
    await writeFile(config, CONFIG + more);
    it.#hub = await start(['serve', '--config', config, '--in-memory']);
    return it;
  }

  get url() {
    return this.#hub.url;
  }

  /** Publishes as a tenant's back end. */
  async publish(tenant, type, payload) {
    const answer = await fetch(new URL('/api/v1/publish', this.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token(tenant, 'gateway', 'system')}` },
      body: JSON.stringify({ type, payload }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  /** Waits until the hub knows that a device has no connection. */
  async hasLost(tenant, deviceId) {
    const headers = { authorization: `Bearer ${token(tenant, 'gateway', 'system')}` };
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const answer = await fetch(new URL('/api/v1/presence', this.url), { headers });
      const { data } = await answer.json();
      if (data.every((one) => one.device !== deviceId || one.goneSince)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${deviceId} is still there`);
  }

  /** A device that has joined. */
  device(tenant, userId, role, application, deviceId) {
    return this.#connect('', { token: token(tenant, userId, role, { applicationTypes: [application] }), application, deviceId });
  }

  /** Who looks from the admin UI. */
  admin(password) {
    return this.#connect('admin', { username: 'olga', password });
  }

  async #connect(namespace, auth) {
    const socket = io(this.url + namespace, { auth, transports: ['websocket'], forceNew: true, reconnection: false });
    this.#sockets.push(socket);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject));
    return socket;
  }

  async stop() {
    for (const socket of this.#sockets) socket.close();
    await this.#hub?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** One tab with the dashboard. */
export class Dashboard {
  /** What the browser complained about: exceptions, refused resources, broken policies. Answers of refusal are none. */
  complaints = [];

  static async open(browser, url, { width = 1280, height = 860, colorScheme = 'light' } = {}) {
    const dashboard = new Dashboard();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => dashboard.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) dashboard.complaints.push(message.text());
    });
    Object.assign(dashboard, { context, page, url: new URL('/dashboard', url).href });
    await page.goto(dashboard.url);
    return dashboard;
  }

  async logIn(text) {
    await this.page.getByLabel('Token').fill(text);
    await this.page.getByRole('button', { name: 'Open the dashboard' }).click();
  }

  /** Logs in, and waits until it is open. */
  async enter(text) {
    await this.logIn(text);
    await this.page.getByRole('navigation', { name: 'Views' }).waitFor();
  }

  async turnTo(title) {
    await this.page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: title, exact: true }).click();
    await this.page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  }

  /** What axe-core has against the page as it is: rules and places. */
  async violations() {
    await this.page.evaluate(await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'));
    return this.page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
      return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
    });
  }

  /** By how many pixels the page is wider than its window. */
  overflowPx() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async screenshot(name) {
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}/dashboard-${name}.png` });
  }

  close() {
    return this.context.close();
  }
}
