// The programs of docs/guides/connect.md, publish.md and migrate.md, run as they stand there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { leaveAll, Member, publishOrder } from "../support/hub.mjs";
import { DurableHub, start, TARGET } from "../support/servers.mjs";
import { serviceToken, userToken } from "../support/token.mjs";
import { next, until } from "../support/wait.mjs";

const suites = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const skip = TARGET === "reference" && "the guides are the hub's";
const WAIT_MS = 20_000;

let server;
let folder;
before(async () => {
  if (skip) return;
  server = await start("hub");
  // Below the packages, so that the programs find them.
  const cache = path.join(suites, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(path.join(cache, "guides-"));
});
afterEach(leaveAll);
after(async () => {
  if (skip) return;
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

/** The one program of a guide in a language. */
function programOf(guide, language) {
  const text = readFileSync(path.join(suites, `../../docs/guides/${guide}.md`), "utf8");
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code);
  assert.equal(found.length, 1, `${guide} has one program in ${language}`);
  return found[0];
}

/** Starts a program; gives the lines that it prints, and a promise of its exit code. */
function run(command, name, code, env) {
  const file = path.join(folder, name);
  writeFileSync(file, code);
  const child = spawn(command, [file], { env: { ...process.env, ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), 2 * WAIT_MS);
  const ended = new Promise((resolve, reject) => child.once("close", resolve).once("error", reject)).finally(() => clearTimeout(timer));
  return { lines: () => output.trim().split("\n"), ended, stop: () => child.kill("SIGKILL") };
}

test("the guide's kitchen hears an order and starts it, also after the hub was killed", { skip }, async () => {
  const hub = await DurableHub.start();
  const tokens = createServer((_, answer) => {
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ token: userToken("roma", "kitchen_app", "kenji") }));
  }).listen(0, "127.0.0.1");
  await next(tokens, "listening");
  const env = { HUB_URL: hub.url, TOKEN_URL: `http://127.0.0.1:${tokens.address().port}/` };
  const kitchen = run(process.execPath, "connect.mjs", programOf("connect", "js"), env);
  const says = (line) => until(() => kitchen.lines().includes(line), `"${line}" of ${kitchen.lines()}`, WAIT_MS);
  try {
    await says("connected, recovered: false");
    await publishOrder(hub, "roma", {}, { orderId: "first" });
    await says("started first");
    await hub.kill();
    await hub.startAgain();
    await publishOrder(hub, "roma", {}, { orderId: "second" });
    await says("started second");
    assert.equal(kitchen.lines().filter((line) => line === "order second").length, 1);
    assert.equal(kitchen.lines().filter((line) => line === "order first").length, 1);
    assert.ok(kitchen.lines().includes("connected, recovered: true"));
  } finally {
    kitchen.stop();
    tokens.close();
    await hub.stop();
  }
});

test("the guide's request publishes once, however often it is sent", { skip }, async () => {
  const env = { HUB_URL: server.url, TOKEN: serviceToken("curl") };
  const answers = [];
  for (let i = 0; i < 2; i += 1) {
    const curl = run("sh", "publish.sh", programOf("publish", "sh"), env);
    assert.equal(await curl.ended, 0);
    answers.push(JSON.parse(curl.lines()[0]));
  }
  assert.equal(answers[0].success, true, JSON.stringify(answers));
  assert.deepEqual(answers[1], { success: true, data: { ...answers[0].data, duplicate: true } });
});

test("the guide's gateway publishes in order, each event once, though its hub is away, answers late or not at all", { skip }, async () => {
  const failures = ["break", "overloaded", "lose", "proxy"];
  const unreliable = createServer(async (asked, answer) => {
    const chunks = [];
    for await (const chunk of asked) chunks.push(chunk);
    const failure = failures.shift();
    if (failure === "break") return asked.socket.destroy();
    if (failure === "proxy") return answer.writeHead(502).end("bad gateway");
    if (failure === "overloaded") {
      return answer.writeHead(503).end(JSON.stringify({ success: false, code: "overloaded", number: 1005, retryAfterMs: 20 }));
    }
    const headers = { authorization: asked.headers.authorization, "content-type": "application/json" };
    const real = await fetch(`${server.url}${asked.url}`, { method: "POST", headers, body: Buffer.concat(chunks) });
    const text = await real.text();
    if (failure === "lose") return asked.socket.destroy();
    answer.writeHead(real.status, { "content-type": real.headers.get("content-type") }).end(text);
  }).listen(0, "127.0.0.1");
  await next(unreliable, "listening");
  try {
    const dashboard = await Member.connect(server, "gate", "tenant_dashboard", "olga");
    const env = { HUB_URL: `http://127.0.0.1:${unreliable.address().port}`, TOKEN: serviceToken("gate") };
    const gateway = run(process.execPath, "publish.mjs", programOf("publish", "js"), env);
    assert.equal(await gateway.ended, 0, gateway.lines().join("\n"));
    const lines = gateway.lines();
    assert.equal(lines[0], "taken: 100");
    assert.match(lines[1], /^refused: payload_invalid \/orderId /);
    assert.deepEqual(failures, []);
    const heard = [];
    while (heard.length < 100) heard.push((await dashboard.hears("order:created")).payload.orderId);
    assert.deepEqual(heard, Array.from({ length: 100 }, (_, at) => `g${at}`));
    assert.equal(dashboard.inbox.size, 0);
  } finally {
    unreliable.closeAllConnections();
    unreliable.close();
  }
});

test("the guide's event type of one's own reaches those whom its rule names", { skip }, async () => {
  const dashboard = await Member.connect(server, "own", "tenant_dashboard", "olga");
  const env = { HUB_URL: server.url, TOKEN: serviceToken("own") };
  const program = run(process.execPath, "migrate.mjs", programOf("migrate", "js"), env);
  assert.equal(await program.ended, 0, program.lines().join("\n"));
  assert.deepEqual(program.lines(), ["it goes to tenant_dashboard"]);
  assert.deepEqual((await dashboard.hears("loyalty:points_earned")).payload, { customerId: "ada", points: 3 });
});
