// A page in Chromium, its server, and what a test asks of it.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';
import { rolldown } from 'rolldown';

import { CHEF, DASHBOARD, token } from '../hub.js';

const HTML = '<!doctype html><meta charset="utf-8"><title>A kitchen</title><div id="root"></div><script src="/bundle.js"></script>';

/** Debian's Chromium, without a network of its own. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/** Serves the page, and tokens for it. */
export class Site {
  /** How long its tokens are good, in seconds. */
  tokenSeconds = 3_600;
  tokensGiven = 0;

  static async start(): Promise<Site> {
    const made = await rolldown({
      input: fileURLToPath(new URL('page.tsx', import.meta.url)),
      platform: 'browser',
      transform: { jsx: 'react-jsx', define: { 'process.env.NODE_ENV': '"development"' } },
    });
    const { output } = await made.generate({ format: 'iife' });
    const site = new Site(output[0].code);
    await new Promise<void>((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  readonly #server: Server;

  private constructor(bundle: string) {
    this.#server = createServer((request, response) => {
      if (request.url?.startsWith('/token')) {
        this.tokensGiven += 1;
        const claims = request.url.includes('dashboard') ? DASHBOARD : CHEF;
        response.end(token(claims, this.tokenSeconds));
      } else if (request.url === '/bundle.js') {
        response.setHeader('Content-Type', 'text/javascript; charset=utf-8').end(bundle);
      } else {
        response.setHeader('Content-Type', 'text/html').end(HTML);
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One tab. Its effects are in the browser's own storage, written before the handler returns: a reload forgets none. */
export class Tab {
  static async open(context: BrowserContext, site: Site, hubUrl: string, query = ''): Promise<Tab> {
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const tab = new Tab(page);
    page.on('pageerror', (error) => tab.complaints.push(String(error)));
    await page.goto(`${site.url}?hub=${encodeURIComponent(hubUrl)}${query}`);
    return tab;
  }

  readonly complaints: string[] = [];

  private constructor(readonly page: Page) {}

  /** The ids of the events that had their effect in this tab, in order. */
  effects(): Promise<string[]> {
    return this.page.evaluate(() => window.tab.effects());
  }

  /** How often each effect of the device was had, by the event's id; the same in every tab. */
  deviceEffects(): Promise<Record<string, number>> {
    return this.page.evaluate(() => window.tab.deviceEffects());
  }

  status(): Promise<string> {
    return this.page.evaluate(() => window.tab.client.state.status);
  }

  async isLive(): Promise<boolean> {
    return await this.status() === 'live';
  }
}
