// The configuration of docs/guides/behind-nginx.md, for nginx and for the hub, as it stands there: only ports are others.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client-4-8-1";
import WebSocket from "ws";
import { BRISK, connected, leaveAll, Member, newOrderId, publishOrder } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { nowSeconds, sign, userToken } from "../support/token.mjs";
import { Inbox, next, PATIENCE_MS, until } from "../support/wait.mjs";

const NGINX = process.env.NGINX_BIN ?? "/usr/sbin/nginx";
const read = (page) => readFileSync(fileURLToPath(new URL(`../../../docs/${page}`, import.meta.url)), "utf8");
const guide = read("guides/behind-nginx.md");
const block = (language) => new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "ms").exec(guide)[1];
const skip =
  (TARGET === "reference" && "the guide is the hub's") || (!existsSync(NGINX) && `${NGINX} is not there: .ci/setup installs it`);

/** Replaces what must be there exactly once. */
function replaced(text, what, by) {
  assert.equal(text.split(what).length, 2, `the guide has ${what} once`);
  return text.replace(what, by);
}

/** nginx with the guide's configuration in front of two ports; it can be stopped and started again where it was. */
class Nginx {
  constructor(folder, { port, hubPort, gatewayPort, others = [] }) {
    const ports = [["listen 4000;", `listen 127.0.0.1:${port};`], ["127.0.0.1:4001", `127.0.0.1:${hubPort}`], ["127.0.0.1:3000", `127.0.0.1:${gatewayPort}`]];
    const site = [...ports, ...others].reduce((text, [what, by]) => replaced(text, what, by), block("nginx"));
    const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.folder = folder;
    this.config = path.join(folder, "nginx.conf");
    writeFileSync(path.join(folder, "foodtrack.conf"), site);
    writeFileSync(
      this.config,
      [
        process.getuid() === 0 ? "user root;" : "",
        "daemon off;\nworker_processes 1;\nerror_log stderr warn;",
        `pid ${folder}/nginx.pid;`,
        "events { worker_connections 256; }",
        "http {\naccess_log off;",
        ...kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`),
        `include ${folder}/foodtrack.conf;\n}`,
      ].join("\n"),
    );
  }

  async start() {
    this.said = "";
    this.child = spawn(NGINX, ["-e", "stderr", "-p", this.folder, "-c", this.config], { stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.said += text));
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
    await until(() => existsSync(path.join(this.folder, "nginx.pid")) || this.child.exitCode !== null, "nginx");
    assert.equal(this.child.exitCode, null, this.said);
  }

  async stop() {
    this.child?.kill("SIGTERM");
    await this.exited;
  }
}

/** A port that nobody listens on now. */
async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await next(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A toy gateway: it says what it was asked. */
async function startGateway() {
  const gateway = createServer((asked, answer) => {
    answer.setHeader("content-type", "application/json").end(JSON.stringify({ url: asked.url, headers: asked.headers }));
  }).listen(0, "127.0.0.1");
  await next(gateway, "listening");
  return gateway;
}

let hub;
let gateway;
let nginx;
let folder;
before(async () => {
  if (skip) return;
  folder = mkdtempSync(path.join(tmpdir(), "behind-nginx-"));
  const config = path.join(folder, "hub.toml");
  writeFileSync(config, block("toml"));
  // Enough for what connects here from one address.
  const env = { ...BRISK, FOODTRACK__SECURITY__RATE_LIMITING__HANDSHAKES_PER_MINUTE: "40" };
  hub = await start("hub", ["--config", config], { env });
  gateway = await startGateway();
  nginx = new Nginx(folder, { port: await freePort(), hubPort: hub.port, gatewayPort: gateway.address().port });
  await nginx.start();
});
afterEach(leaveAll);
after(async () => {
  if (skip) return;
  await nginx?.stop();
  gateway?.closeAllConnections();
  gateway?.close();
  await hub?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A request from an address of this machine; gives its status and body. */
function ask(url, { from = "127.0.0.1", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const asking = request(url, { localAddress: from, headers, agent: false }, async (answer) => {
      let body = "";
      for await (const chunk of answer.setEncoding("utf8")) body += chunk;
      resolve({ status: answer.statusCode, body });
    });
    asking.once("error", reject).end();
  });
}

const CANONICAL = { auth: { profile: "canonical" } };

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`${transports.join(", then ")} goes through nginx both ways`, { skip }, async () => {
    const chef = await Member.connect(nginx, "roma", "kitchen_app", `cook-${transports}`, { transports, ...CANONICAL });
    const { engine } = chef.socket.io;
    if (transports.length > 1 && engine.transport.name === "polling") await next(engine, "upgrade");
    assert.equal(engine.transport.name, transports.at(-1));
    const id = await publishOrder(hub, "roma");
    assert.equal((await chef.hears("order:created")).id, id);
    assert.equal((await chef.ask("health_check")).success, true);
  });
}

test("a page of today dials one port for everything", { skip }, async () => {
  const token = sign({ userId: "olga", tenantId: "roma", email: "olga@example.com", role: "admin", exp: nowSeconds() + 3600 });
  const page = io(nginx.url, { auth: { token, application: "tenant" }, extraHeaders: { origin: "http://localhost:3001" }, forceNew: true });
  try {
    const heard = next(page, "ORDER_CREATED", 2 * PATIENCE_MS);
    await connected(page);
    const orderId = newOrderId();
    await publishOrder(hub, "roma", {}, { orderId });
    const [message] = await heard;
    assert.equal(message.payload.order.id, orderId);
  } finally {
    page.disconnect();
  }
});

test("a plain WebSocket goes through nginx", { skip }, async () => {
  const socket = new WebSocket(`${nginx.url.replace("http", "ws")}/ws`);
  const heard = new Inbox();
  socket.on("message", (text) => heard.push(JSON.parse(text)));
  try {
    assert.equal((await heard.next("open")).type, "open");
    const token = userToken("roma", "kitchen_app", "plain");
    socket.send(JSON.stringify({ type: "connect", token, profile: "canonical" }));
    await heard.find(({ type }) => type === "connected", "connected");
    const id = await publishOrder(hub, "roma");
    await heard.find(({ type, message }) => type === "event" && message.id === id, "the order");
  } finally {
    socket.terminate();
  }
});

/** A stream of events through nginx; its greeting is read. */
async function listen(front, token, lastId) {
  const headers = { authorization: `Bearer ${token}`, ...(lastId ? { "last-event-id": lastId } : {}) };
  const answer = await fetch(`${front.url}/events?deviceId=screen`, { headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const heard = new Inbox();
  const ended = (async () => {
    let text = "";
    for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + bytes).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) heard.push(Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/, 2))));
    }
  })().catch(() => {});
  await heard.find(({ event }) => event === "system:connection_established", "the greeting");
  return {
    heard,
    ended,
    order: async () => {
      const { data, id } = await heard.find(({ event }) => event === "order:created", "the order");
      return { id, order: JSON.parse(data).id };
    },
  };
}

test("events for who only listens go through nginx one by one, and a stream that nginx tore goes on", { skip }, async () => {
  const token = userToken("napoli", "kitchen_app", "screen");
  const stream = await listen(nginx, token);
  // Nothing follows that could push it through a buffer.
  const first = await publishOrder(hub, "napoli");
  const { order, id } = await stream.order();
  assert.equal(order, first);
  await stream.heard.find((block) => Object.hasOwn(block, ""), "a heartbeat");
  await nginx.stop();
  await stream.ended;
  const missed = [await publishOrder(hub, "napoli"), await publishOrder(hub, "napoli")];
  await nginx.start();
  const again = await listen(nginx, token, id);
  for (const expected of missed) assert.equal((await again.order()).order, expected);
});

test("an nginx that buffers what it is told nothing of buffers no events", { skip }, async () => {
  const own = mkdtempSync(path.join(tmpdir(), "behind-nginx-"));
  const others = [["proxy_buffering off;", "proxy_buffering on;"]];
  const front = new Nginx(own, { port: await freePort(), hubPort: hub.port, gatewayPort: gateway.address().port, others });
  await front.start();
  try {
    const stream = await listen(front, userToken("siena", "kitchen_app", "screen"));
    for (let i = 0; i < 3; i += 1) {
      const published = await publishOrder(hub, "siena");
      assert.equal((await stream.order()).order, published);
    }
  } finally {
    await front.stop();
    rmSync(own, { recursive: true, force: true });
  }
});

test("a client comes back after nginx restarted, and has what it missed", { skip }, async () => {
  const options = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100, transports: ["websocket", "polling"] };
  const chef = await Member.connect(nginx, "milano", "kitchen_app", "karl", { ...options, ...CANONICAL });
  const first = await publishOrder(hub, "milano");
  assert.equal((await chef.hears("order:created")).id, first);
  const gone = next(chef.socket, "disconnect");
  await nginx.stop();
  await gone;
  const missed = [await publishOrder(hub, "milano"), await publishOrder(hub, "milano")];
  const back = next(chef.socket, "connect");
  await nginx.start();
  await back;
  assert.equal(chef.socket.recovered, true);
  assert.deepEqual(await chef.ids("order:created", missed.at(-1)), missed);
});

test("/api reaches the gateway with its path and the client's address, and the hub's own API nobody", { skip }, async () => {
  const { status, body } = await ask(`${nginx.url}/api/orders?page=2`, { from: "127.0.0.5", headers: { "x-forwarded-for": "203.0.113.7" } });
  assert.equal(status, 200);
  const { url, headers } = JSON.parse(body);
  assert.equal(url, "/api/orders?page=2");
  assert.equal(headers["x-forwarded-for"], "127.0.0.5");
  assert.equal(headers.host, `127.0.0.1:${nginx.port}`);
  assert.equal(headers.connection, undefined);
  for (const hidden of ["/health", "/metrics", "/"]) assert.equal((await ask(`${nginx.url}${hidden}`)).status, 404, hidden);
});

test("each client has its own limit of handshakes, whoever it claims to be", { skip }, async () => {
  const knock = async (from, claimed) => {
    const headers = { "x-forwarded-for": claimed, forwarded: `for=${claimed}` };
    return (await ask(`${nginx.url}/socket.io/?EIO=4&transport=polling`, { from, headers })).status;
  };
  const statuses = [];
  for (let i = 0; i < 60; i += 1) statuses.push(await knock("127.0.0.2", `203.0.113.${i}`));
  assert.equal(statuses[0], 200);
  assert.equal(statuses.at(-1), 429);
  assert.equal(await knock("127.0.0.3", "127.0.0.2"), 200);
});

test("nginx waits longer than the hub is silent", () => {
  const [, seconds] = /proxy_read_timeout (\d+)s;/.exec(block("nginx"));
  const keys = read("reference/configuration.md");
  const milliseconds = (key) => Number(new RegExp(`^\\| \`heartbeat\\.${key}\` \\| \`(\\d+)\``, "m").exec(keys)[1]);
  assert.ok(Number(seconds) * 1000 >= 2 * (milliseconds("intervalMs") + milliseconds("timeoutMs")));
});
