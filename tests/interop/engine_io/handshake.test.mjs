import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RawSocket } from "../support/engine.mjs";
import { start } from "../support/servers.mjs";
import { within } from "../support/wait.mjs";

let server;
before(async () => (server = await start("suites")));
after(() => server.stop());

const PATH = "/engine.io/";

function checkOpenPacket(packet, upgrades) {
  assert.equal(packet[0], "0");
  const open = JSON.parse(packet.slice(1));
  assert.deepEqual(Object.keys(open).sort(), ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
  assert.ok(open.sid.length >= 16, "a session id that cannot be guessed");
  assert.deepEqual(open.upgrades, upgrades);
  assert.equal(open.pingInterval, 300);
  assert.equal(open.pingTimeout, 200);
  assert.equal(open.maxPayload, 1_000_000);
  return open;
}

test("a polling handshake is answered with an open packet that offers the upgrade", async () => {
  const response = await fetch(`${server.url}${PATH}?EIO=4&transport=polling`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/plain; ?charset=utf-8$/i);
  assert.equal(response.headers.get("cache-control"), "no-store");
  checkOpenPacket(await response.text(), ["websocket"]);
});

test("a WebSocket handshake is answered with an open packet that offers no upgrade", async () => {
  const socket = new RawSocket(`${server.wsUrl}${PATH}?EIO=4&transport=websocket`);
  checkOpenPacket(await socket.next("open packet"), []);
  socket.close();
});

test("no two sessions share an id", async () => {
  const ids = new Set();
  for (let i = 0; i < 20; i += 1) {
    const response = await fetch(`${server.url}${PATH}?EIO=4&transport=polling`);
    ids.add(JSON.parse((await response.text()).slice(1)).sid);
  }
  assert.equal(ids.size, 20);
});

test("unknown query parameters do not matter", async () => {
  const response = await fetch(`${server.url}${PATH}?t=abc&EIO=4&x=%F0%9F%8D%95&transport=polling`);
  assert.equal(response.status, 200);
});

const HTTP_REFUSALS = [
  ["without EIO", "GET", "transport=polling", 5],
  ["with EIO=abc", "GET", "EIO=abc&transport=polling", 5],
  ["with EIO=3", "GET", "EIO=3&transport=polling", 5],
  ["with EIO=5", "GET", "EIO=5&transport=polling", 5],
  ["without transport", "GET", "EIO=4", 0],
  ["with an unknown transport", "GET", "EIO=4&transport=abc", 0],
  ["with an unknown sid", "GET", "EIO=4&transport=polling&sid=abc", 1],
  ["by POST", "POST", "EIO=4&transport=polling", 2],
  ["by PUT", "PUT", "EIO=4&transport=polling", 2],
];
for (const [what, method, query, code] of HTTP_REFUSALS) {
  test(`a handshake ${what} is refused with 400 and code ${code}`, async () => {
    const response = await fetch(`${server.url}${PATH}?${query}`, { method });
    assert.equal(response.status, 400);
    const body = await response.json();
    assert.equal(body.code, code);
    assert.equal(typeof body.message, "string");
  });
}

const UPGRADE_REFUSALS = [
  ["without EIO", "transport=websocket"],
  ["with EIO=abc", "EIO=abc&transport=websocket"],
  ["with EIO=3", "EIO=3&transport=websocket"],
  ["without transport", "EIO=4"],
  ["with an unknown transport", "EIO=4&transport=abc"],
  ["with an unknown sid", "EIO=4&transport=websocket&sid=abc"],
];
for (const [what, query] of UPGRADE_REFUSALS) {
  test(`a WebSocket upgrade ${what} is refused or closed, and opens no session`, async () => {
    const socket = new RawSocket(`${server.wsUrl}${PATH}?${query}`);
    const refusal = await within(socket.opened, "answer to the upgrade");
    if (refusal) assert.equal(refusal.statusCode, 400);
    else await socket.waitClosed();
    assert.equal(socket.inbox.size === 0 || !socket.inbox.all[0].startsWith("0"), true);
  });
}

test("a sid of one transport is no sid of the other", async () => {
  const socket = new RawSocket(`${server.wsUrl}${PATH}?EIO=4&transport=websocket`);
  const { sid } = JSON.parse((await socket.next("open packet")).slice(1));
  const response = await fetch(`${server.url}${PATH}?EIO=4&transport=polling&sid=${sid}`);
  assert.equal(response.status, 400);
  // The hub keeps no directory of ids that no request may name: to it such an id is unknown.
  assert.ok([1, 3].includes((await response.json()).code));
  socket.close();
});

test("another path is not found", async () => {
  for (const path of ["/", "/engine.iox/", "/nothing/"]) {
    const response = await fetch(`${server.url}${path}?EIO=4&transport=polling`);
    assert.equal(response.status, 404, path);
    await response.text();
  }
});
