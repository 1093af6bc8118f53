// Today's pages call no acknowledgement and decrypt nothing: they are asked for neither.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { leaveAll, Member, newOrderId, publish } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { closePages, ENV, login, Page } from "../support/todays_page.mjs";
import { serviceToken } from "../support/token.mjs";
import { until } from "../support/wait.mjs";

// The stand-in speaks as the contract has it.
const skip = TARGET === "reference";
const ROLE = { client: "customer", tenant: "admin", kitchen: "operator", delivery: "operator" };
const NAME = { client: "ORDER_CREATED", tenant: "ORDER_CREATED", kitchen: "order:new", delivery: "ORDER_CREATED" };
const ATTEMPTS = 2;

let folder;
let server;
before(async () => {
  if (skip) return;
  folder = mkdtempSync(path.join(tmpdir(), "asking-"));
  const file = path.join(folder, "hub.toml");
  writeFileSync(file, '[[delivery]]\nevent = "order:created"\nacknowledge = true\n');
  const retry = { FOODTRACK__RETRY__MAX_ATTEMPTS: `${ATTEMPTS}`, FOODTRACK__RETRY__BASE_DELAY_MS: "50" };
  server = await start("hub", ["--config", file], { env: { ...ENV, ...retry } });
});
afterEach(() => {
  closePages();
  leaveAll();
});
after(async () => {
  await server?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("no acknowledgement is asked of today's pages, and none is given up for them", { skip }, async () => {
  const kinds = Object.keys(ROLE).filter((kind) => kind !== "delivery");
  const pages = await Promise.all(kinds.map((kind) => Page.open(server, kind, login(`${kind}-1`, ROLE[kind]))));
  const arguments_ = kinds.map(() => []);
  pages.forEach((page, i) => page.socket.onAny((name, ...rest) => name === NAME[kinds[i]] && arguments_[i].push(rest)));
  // One who is asked, and never answers: what is sent again and given up is sent again to them alone.
  const asked = await Member.connect(server, "roma", "kitchen_app", "new-chef", { auth: { profile: "canonical" } });
  const orderId = newOrderId();
  const { status } = await publish(server, "roma", {
    type: "order:created", payload: { orderId, customerId: "client-1", items: [{ name: "Pizza" }] },
  });
  assert.equal(status, 200);
  let letters = [];
  const authorization = `Bearer ${serviceToken("roma")}`;
  for (let looks = 0; letters.length === 0 && looks < 200; looks += 1) {
    ({ data: letters } = await (await fetch(`${server.url}/api/v1/dead-letters`, { headers: { authorization } })).json());
  }
  assert.equal(letters.length, 1, JSON.stringify(letters));
  assert.match(letters[0].subscriber, /new-chef/);
  const toAsked = asked.inbox.all.filter(({ event }) => event === "order:created");
  assert.equal(toAsked.length, ATTEMPTS, "sent again until it is given up");
  assert.ok(toAsked.every(({ rest }) => typeof rest.at(-1) === "function"));
  await until(() => arguments_.every((all) => all.length > 0), "the order on every page");
  arguments_.forEach((all, i) => {
    assert.equal(all.length, 1, `${kinds[i]} hears it once`);
    // The message and its cursor, which no page reads.
    assert.deepEqual(all[0].map((it) => typeof it), ["object", "string"], kinds[i]);
  });
});

test("nothing that is encrypted comes to a page of today's, which could not read it", { skip }, async () => {
  const page = await Page.open(server, "tenant", login("olga", "admin"));
  const { status } = await publish(server, "roma", { type: "notification:info", encrypted: true, payload: { message: "secret" } });
  assert.equal(status, 400);
  assert.equal((await publish(server, "roma", { type: "notification:info", payload: { message: "plain" } })).status, 200);
  assert.equal((await page.hears("SYSTEM_NOTIFICATION")).payload.message, "plain");
  assert.deepEqual(page.came.filter((name) => name === "SYSTEM_NOTIFICATION").length, 1);
});
