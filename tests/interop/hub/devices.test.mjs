// Who names a device has one stream; who names none shares nothing with anybody.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { VERSIONS, WAYS } from "../support/clients.mjs";
import { HttpProxy } from "../support/http_proxy.mjs";
import { BRISK, leaveAll, Member, publishOrder, publishOrders } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";
import { next } from "../support/wait.mjs";

const skip = TARGET === "reference" && "Socket.IO's own server knows no devices";
const PATIENT = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 };

let server;
before(async () => (server = await start("hub", [], { env: BRISK })));
after(() => server.stop());
afterEach(leaveAll);

/** Each of `members` hears one more order, exactly once. */
async function allHear(tenant, members) {
  const id = await publishOrder(server, tenant);
  for (const member of members) assert.deepEqual(await member.ids("order:created", id), [id], member.user);
}

for (const [version, io] of VERSIONS) {
  for (const [way, transports] of WAYS) {
    test(`${version} over ${way}: a device's newer connection wins, the older is told and does not come back`, { skip }, async () => {
      const tenant = `newest-${version}-${way}`.replaceAll(/[^a-z0-9]/g, "-");
      const options = { io, transports, deviceId: "tablet-1", ...PATIENT };
      const older = await Member.connect(server, tenant, "kitchen_app", "kenji", options);
      const gone = next(older.socket, "disconnect");
      const newer = await Member.connect(server, tenant, "kitchen_app", "kenji", options);
      const told = await older.system.find(({ event }) => event === "system:error", "system:error");
      assert.equal(told.message.payload?.code ?? told.message.code, "device_replaced");
      assert.deepEqual(await gone.then(([reason]) => reason), "io server disconnect");
      assert.equal(older.socket.active, false);
      await allHear(tenant, [newer]);
      assert.equal(older.inbox.all.length, 0);
      assert.equal(newer.socket.connected, true);
    });
  }

  test(`${version} over polling: who is between two polls hears why it was replaced`, { skip }, async () => {
    const tenant = `between-${version}`.replaceAll(".", "-");
    const proxy = await HttpProxy.start(server);
    try {
      let replace;
      const replaced = new Promise((resolve) => (replace = resolve));
      const older = await Member.connect(proxy, tenant, "kitchen_app", "kenji", { io, transports: ["polling"], deviceId: "tablet-1" });
      // A poll has just ended: the next one waits.
      await next(older.socket.io, "ping");
      proxy.holds = (method) => (method === "GET" ? replaced : undefined);
      const gone = next(older.socket, "disconnect");
      await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-1" });
      replace();
      await older.system.find(({ event }) => event === "system:error", "system:error");
      assert.equal((await gone)[0], "io server disconnect");
    } finally {
      await proxy.stop();
    }
  });
}

test("a device that comes back to its session does not replace itself", { skip }, async () => {
  const kitchen = await Member.connect(server, "itself", "kitchen_app", "kenji", { deviceId: "tablet-1" });
  const { id } = kitchen.socket;
  await allHear("itself", [kitchen]);
  await kitchen.cut();
  await kitchen.comesBack();
  assert.equal(kitchen.socket.recovered, true);
  assert.equal(kitchen.socket.id, id);
  await allHear("itself", [kitchen]);
  assert.ok(!kitchen.system.all.some(({ event }) => event === "system:error"));
});

test("a device that was replaced and is told to connect again is the newest", { skip }, async () => {
  const older = await Member.connect(server, "replaced", "kitchen_app", "kenji", { deviceId: "tablet-1" });
  await allHear("replaced", [older]);
  const gone = next(older.socket, "disconnect");
  const newer = await Member.connect(server, "replaced", "kitchen_app", "kenji", { deviceId: "tablet-1" });
  await gone;
  const replaced = next(newer.socket, "disconnect");
  await older.comesBack();
  assert.equal((await replaced)[0], "io server disconnect");
  await allHear("replaced", [older]);
});

const OTHERS = [
  ["another device of the same user", undefined, "kitchen_app", "kenji", "tablet-2"],
  ["a device of that name of another user", undefined, "kitchen_app", "mallory", "tablet-1"],
  ["a device of that name of another tenant", "other", "kitchen_app", "kenji", "tablet-1"],
  ["that device in another application", undefined, "tenant_dashboard", "kenji", "tablet-1"],
  ["a connection of the same user that names no device", undefined, "kitchen_app", "kenji", undefined],
];
for (const [index, [who, elsewhere, application, user, deviceId]] of OTHERS.entries()) {
  test(`a device is not replaced by ${who}`, { skip }, async () => {
    const tenant = `same-${index}`;
    const device = await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-1" });
    const other = await Member.connect(server, elsewhere ?? tenant, application, user, { deviceId });
    await allHear(tenant, elsewhere ? [device] : [device, other]);
    assert.equal(device.socket.connected, true);
    assert.ok(!device.system.all.some(({ event }) => event === "system:error"));
  });
}

test("two tablets with one login are two, and each gets everything", { skip }, async () => {
  const tablets = [
    await Member.connect(server, "tablets", "kitchen_app", "kenji"),
    await Member.connect(server, "tablets", "kitchen_app", "kenji"),
  ];
  for (let i = 0; i < 3; i += 1) await allHear("tablets", tablets);
  await tablets[0].cut();
  const missed = await publishOrder(server, "tablets");
  await tablets[1].ids("order:created", missed);
  await tablets[0].comesBack();
  assert.equal(tablets[0].socket.recovered, true);
  assert.deepEqual(await tablets[0].ids("order:created", missed), [missed]);
  await allHear("tablets", tablets);
});

test("two tabs with one token are two, and each gets everything", { skip }, async () => {
  const token = userToken("tabs", "kitchen_app", "kenji", { jti: "one-token" });
  const tabs = [
    await Member.connect(server, "tabs", "kitchen_app", "kenji", { token }),
    await Member.connect(server, "tabs", "kitchen_app", "kenji", { token }),
  ];
  assert.notEqual(tabs[0].socket.id, tabs[1].socket.id);
  for (let i = 0; i < 3; i += 1) await allHear("tabs", tabs);
  assert.ok(tabs.every(({ socket }) => socket.connected));
});

test("a tablet that comes back with five sockets at once has five that live, and each gets everything", { skip }, async () => {
  const token = userToken("five", "kitchen_app", "kenji", { jti: "one-token" });
  const sockets = await Promise.all(
    Array.from({ length: 5 }, () => Member.connect(server, "five", "kitchen_app", "kenji", { token })),
  );
  assert.equal(new Set(sockets.map(({ socket }) => socket.id)).size, 5);
  for (let i = 0; i < 3; i += 1) await allHear("five", sockets);
  assert.ok(sockets.every(({ socket }) => socket.connected));
});

test("each device has its own place, whatever others of the same login confirmed", { skip }, async () => {
  const tenant = "own-place";
  const first = await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-1" });
  const second = await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-2" });
  await allHear(tenant, [first, second]);
  await first.confirms();
  first.socket.disconnect();
  const missed = await publishOrders(server, tenant, 3);
  await second.ids("order:created", missed.at(-1));
  await second.confirms();
  const again = await first.reloads();
  assert.deepEqual(await again.ids("order:created", missed.at(-1)), missed);
});

test("a device that is new to a login gets no history", { skip }, async () => {
  const tenant = "new-device";
  const first = await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-1" });
  await allHear(tenant, [first]);
  const second = await Member.connect(server, tenant, "kitchen_app", "kenji", { deviceId: "tablet-2" });
  await allHear(tenant, [first, second]);
});

test("the device may be named in the token, and the handshake may not name another", { skip }, async () => {
  const changes = { deviceId: "tablet-1" };
  const older = await Member.connect(server, "in-token", "kitchen_app", "kenji", { changes });
  const gone = next(older.socket, "disconnect");
  await Member.connect(server, "in-token", "kitchen_app", "kenji", { changes });
  assert.equal((await gone)[0], "io server disconnect");
  const other = Member.connect(server, "in-token", "kitchen_app", "kenji", { changes, deviceId: "tablet-2" });
  await assert.rejects(other, /refused/);
});
