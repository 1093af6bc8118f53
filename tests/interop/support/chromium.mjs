// Chromium, told what to do over its debugging protocol. No driver library: those make every page believe that it is
// in front, and what a page does in the back is one of the questions.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { PATIENCE_MS, pause, within } from "./wait.mjs";

export const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
/** Why a test is skipped, or false. */
export const noChromium = !existsSync(CHROMIUM) && `${CHROMIUM} is not there`;

const FLAGS = [
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking",
  "--disable-component-update --disable-sync --remote-debugging-port=0",
].flatMap((line) => line.split(" "));
const START_MS_MAX = 20_000;

export class Browser {
  #asked = new Map();
  #count = 0;

  static async start() {
    const browser = new Browser();
    browser.home = mkdtempSync(path.join(tmpdir(), "interop-chromium-"));
    browser.process = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${browser.home}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    browser.exited = new Promise((resolve) => browser.process.once("exit", resolve));
    process.once("exit", () => browser.process.kill("SIGKILL"));
    let log = "";
    const address = new Promise((resolve) =>
      browser.process.stderr.setEncoding("utf8").on("data", (chunk) => {
        log += chunk;
        const found = /DevTools listening on (\S+)/.exec(log);
        if (found) resolve(found[1]);
      }),
    );
    browser.ws = new WebSocket(await within(address, `Chromium (${log.slice(-500)})`, START_MS_MAX));
    browser.ws.on("message", (data) => browser.#onMessage(JSON.parse(data)));
    await new Promise((resolve) => browser.ws.once("open", resolve));
    return browser;
  }

  #onMessage({ id, result, error }) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    if (error) asked.reject(new Error(error.message));
    else asked.resolve(result);
  }

  send(method, params = {}, sessionId) {
    const id = (this.#count += 1);
    this.ws.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  /** Opens a tab, which comes to the front, and waits until it has loaded. */
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, targetId, sessionId);
    const isThere = `document.readyState === "complete" && (location.href !== "about:blank" || ${url === "about:blank"})`;
    while (!(await page.run(isThere).catch(() => false))) await pause(10);
    return page;
  }

  async stop() {
    this.ws.close();
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 3_000);
    await this.exited;
    clearTimeout(timer);
    // Its helpers end a little later and may still write; the next cleaning of the temporary folder takes the rest.
    try {
      rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    } catch {}
  }
}

class Page {
  constructor(browser, targetId, sessionId) {
    Object.assign(this, { browser, targetId, sessionId });
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  /** The value of an expression. */
  async run(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** `frozen` or `active`. */
  lifecycle(state) {
    return this.send("Page.setWebLifecycleState", { state });
  }

  close() {
    return this.browser.send("Target.closeTarget", { targetId: this.targetId });
  }
}

/** Waits until an expression has a value in a page. */
export async function becomes(page, expression, expected, limit_ms = PATIENCE_MS) {
  let value;
  for (let waited_ms = 0; waited_ms < limit_ms; waited_ms += 20) {
    value = await page.run(expression);
    if (JSON.stringify(value) === JSON.stringify(expected)) return;
    await pause(20);
  }
  assert.deepEqual(value, expected, expression);
}
