// A page that was closed comes back with nothing but its token: the server knows how far its subscriber had confirmed.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { VERSIONS, WAYS } from "../support/clients.mjs";
import { openWebSocket } from "../support/engine.mjs";
import { BRISK, leaveAll, Member, newOrderId, publish, publishOrder, publishOrders, repeated } from "../support/hub.mjs";
import { killPythonClients, noPython, PythonClient } from "../support/python_client.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";
import { pause } from "../support/wait.mjs";

const skip = TARGET === "reference" && "Socket.IO's own server has no offline queue";

let server;
before(async () => (server = await start("hub", [], { env: BRISK })));
after(() => server.stop());
afterEach(async () => {
  leaveAll();
  await killPythonClients();
});

for (const [version, io] of VERSIONS) {
  for (const [way, transports] of WAYS) {
    const tenant = `away-${version}-${way}`.replaceAll(/[^a-z0-9]/g, "-");
    test(`${version} over ${way}: a page that is loaded anew gets what it missed, once, and nothing that it had`, { skip }, async () => {
      const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { io, transports });
      const had = await publishOrders(server, tenant, 3);
      await kitchen.ids("order:created", had.at(-1));
      await kitchen.confirms();
      kitchen.socket.disconnect();
      const missed = await publishOrders(server, tenant, 4);
      const again = await kitchen.reloads();
      assert.equal(again.socket.recovered, false);
      const live = await publishOrder(server, tenant);
      assert.deepEqual(await again.ids("order:created", live), [...missed, live]);
    });
  }
}

test("who was never here gets no history", { skip }, async () => {
  await publishOrders(server, "first", 3);
  const kitchen = await Member.connect(server, "first", "kitchen_app", "kenji");
  const live = await publishOrder(server, "first");
  assert.deepEqual(await kitchen.ids("order:created", live), [live]);
});

test("who was here and heard nothing gets what came since", { skip }, async () => {
  const tenant = "heard-nothing";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  kitchen.socket.disconnect();
  const missed = await publishOrders(server, tenant, 2);
  const again = await kitchen.reloads();
  assert.deepEqual(await again.ids("order:created", missed.at(-1)), missed);
});

/** A client by hand that hears everything and answers no ping. */
async function openSilent(tenant, user) {
  const socket = await openWebSocket(server, "/socket.io/");
  socket.send(`40${JSON.stringify({ token: userToken(tenant, "kitchen_app", user), application: "kitchen_app" })}`);
  await socket.inbox.find((packet) => String(packet).startsWith("40"), "CONNECT answer");
  return socket;
}

test("what was written to a client that never confirmed it comes again", { skip }, async () => {
  const tenant = "unconfirmed";
  const silent = await openSilent(tenant, "kenji");
  const sent = await publishOrders(server, tenant, 2);
  await silent.inbox.find((packet) => String(packet).includes(sent[1]), "order");
  silent.close();
  await pause(50);
  const again = await Member.connect(server, tenant, "kitchen_app", "kenji");
  assert.deepEqual(await again.ids("order:created", sent.at(-1)), sent);
});

test("one pong confirms nothing: the client may die in the handlers that it overtook", { skip }, async () => {
  const tenant = "one-pong";
  const silent = await openSilent(tenant, "kenji");
  const sent = await publishOrder(server, tenant);
  await silent.inbox.find((packet) => String(packet).includes(sent), "order");
  await silent.inbox.find((packet) => packet === "2", "ping");
  silent.send("3");
  await pause(30);
  silent.close();
  await pause(50);
  const again = await Member.connect(server, tenant, "kitchen_app", "kenji");
  assert.deepEqual(await again.ids("order:created", sent), [sent]);
});

test("pongs that no ping asked for confirm nothing", { skip }, async () => {
  let tenant;
  let sent;
  // Once more where a ping has asked for one of them.
  for (let wasAsked = true; wasAsked; ) {
    tenant = `too-many-pongs-${newOrderId()}`;
    const silent = await openSilent(tenant, "kenji");
    silent.send("3");
    silent.send("3");
    sent = await publishOrder(server, tenant);
    await silent.inbox.find((packet) => String(packet).includes(sent), "order");
    for (let i = 0; i < 5; i += 1) silent.send("3");
    silent.send('421["health_check"]');
    await silent.inbox.find((packet) => String(packet).startsWith("431"), "answer");
    wasAsked = silent.inbox.all.includes("2");
    silent.close();
  }
  await pause(50);
  const again = await Member.connect(server, tenant, "kitchen_app", "kenji");
  assert.deepEqual(await again.ids("order:created", sent), [sent]);
});

test("urgent comes first, then the log's order", { skip }, async () => {
  const tenant = "urgent-first";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  kitchen.socket.disconnect();
  const before = await publishOrders(server, tenant, 3);
  const alert = { type: "notification:alert", priority: "urgent", payload: { message: "peanuts" } };
  const urgent = (await publish(server, tenant, alert)).body.data.id;
  const behind = await publishOrders(server, tenant, 2);
  const again = await kitchen.reloads();
  const heard = [];
  for (let i = 0; i < 6; i += 1) heard.push((await again.inbox.next("message")).message.id);
  assert.deepEqual(heard, [urgent, ...before, ...behind]);
});

test("an urgent word about an order does not overtake the order", { skip }, async () => {
  const tenant = "urgent-own";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  kitchen.socket.disconnect();
  const other = await publishOrder(server, tenant);
  const created = await publishOrder(server, tenant, {}, { orderId: "o-9" });
  const cancelled = await publishOrder(server, tenant, { type: "order:cancelled", priority: "urgent" }, { orderId: "o-9" });
  const again = await kitchen.reloads();
  const heard = [];
  for (let i = 0; i < 3; i += 1) heard.push((await again.inbox.next("message")).message.id);
  assert.deepEqual(heard, [created, cancelled, other]);
});

test("what overtook and was got is not sent again when the line is cut in between", { skip }, async () => {
  const tenant = "urgent-cut";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  await kitchen.ids("order:created", await publishOrder(server, tenant));
  for (let round = 0; round < 5; round += 1) {
    await kitchen.cut();
    await publishOrders(server, tenant, 2);
    const alert = { type: "notification:alert", priority: "urgent", payload: { message: `round ${round}` } };
    assert.equal((await publish(server, tenant, alert)).status < 300, true);
    await publishOrders(server, tenant, 2);
    kitchen.socket.connect();
    // Cut again at whatever it got to.
    await kitchen.inbox.next("something");
  }
  await kitchen.cut();
  await kitchen.comesBack();
  const last = await publishOrder(server, tenant);
  const ids = () => kitchen.inbox.all.map(({ message }) => message.id);
  while (ids().at(-1) !== last) await kitchen.inbox.next("the rest");
  assert.equal(ids().length, 1 + 5 * 5 + 1);
  assert.equal(new Set(ids()).size, ids().length);
});

test("a customer gets only what was about their own orders", { skip }, async () => {
  const tenant = "own-orders";
  const ana = await Member.connect(server, tenant, "client_app", "ana");
  const own = await ana.send("order:created", { orderId: "ana-1", customerId: "ana" });
  await ana.ids("order:created", own);
  await ana.confirms();
  ana.socket.disconnect();
  await publishOrder(server, tenant, {}, { customerId: "bob" });
  const ready = await publishOrder(server, tenant, { type: "order:status_changed" }, { orderId: "ana-1", status: "ready" });
  const again = await ana.reloads();
  const live = (await publish(server, tenant, { type: "notification:info", payload: { message: "end" } })).body.data.id;
  const heard = [];
  while (heard.at(-1) !== live) heard.push((await again.inbox.next("message")).message.id);
  assert.deepEqual(heard, [ready, live]);
});

test("a permission that was taken away meanwhile takes away what it read", { skip }, async () => {
  const tenant = "permission-gone";
  const courier = await Member.connect(server, tenant, "delivery_app", "dario", { changes: { permissions: ["read:orders", "read:kitchen"] } });
  courier.socket.disconnect();
  await publishOrder(server, tenant, { type: "kitchen:preparation_completed" });
  const status = await publishOrder(server, tenant, { type: "order:status_changed" }, { status: "ready" });
  const again = await courier.reloads({ changes: { permissions: ["read:orders"] } });
  assert.equal((await again.inbox.next("message")).message.id, status);
});

test("each application of a user has its own place", { skip }, async () => {
  const tenant = "two-apps";
  const changes = { applicationTypes: ["kitchen_app", "tenant_dashboard"], role: "restaurant_owner" };
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "olga", { changes });
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga", { changes });
  kitchen.socket.disconnect();
  const order = await publishOrder(server, tenant);
  await dashboard.ids("order:created", order);
  await dashboard.confirms();
  const again = await kitchen.reloads();
  assert.deepEqual(await again.ids("order:created", order), [order]);
});

test("where nothing names a device, what one of two tablets confirmed counts for both", { skip }, async () => {
  const tenant = "shared-place";
  const first = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const second = await Member.connect(server, tenant, "kitchen_app", "kenji");
  first.socket.disconnect();
  const order = await publishOrder(server, tenant);
  await second.ids("order:created", order);
  await second.confirms();
  const again = await first.reloads();
  const live = await publishOrder(server, tenant);
  assert.deepEqual(await again.ids("order:created", live), [live]);
});

test("a message's id is accepted once, and answered the same every time", { skip }, async () => {
  const tenant = "same-id";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga");
  const id = "0190b2f0-0000-7000-8000-000000000001";
  const message = { id, type: "order:created", payload: { orderId: "o-1" } };
  const first = await dashboard.ask("order:created", message);
  assert.equal(first.success, true, JSON.stringify(first));
  assert.equal(first.data.id, id);
  assert.ok(["number", "string"].includes(typeof first.data.offset), JSON.stringify(first));
  assert.deepEqual(await dashboard.ask("order:created", message), repeated(first));
  await dashboard.cut();
  await dashboard.comesBack();
  assert.deepEqual(await dashboard.ask("order:created", message), repeated(first));
  assert.equal((await publish(server, tenant, message)).body.data.id, id);
  const live = await publishOrder(server, tenant);
  assert.deepEqual(await kitchen.ids("order:created", live), [id, live]);
});

test("a message that is sent ten times at once is one, and each gets the same answer", { skip }, async () => {
  const tenant = "ten-times";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga");
  const id = "0190b2f0-0000-7000-8000-000000000003";
  const message = { id, type: "order:created", payload: { orderId: "o-1" } };
  const emitted = Array.from({ length: 5 }, () => dashboard.ask("order:created", message));
  const posted = Array.from({ length: 5 }, () => publish(server, tenant, message).then(({ body }) => body));
  const answers = await Promise.all([...emitted, ...posted]);
  // Whichever came first was taken, and the nine others are told so.
  const [first] = answers.filter(({ data }) => !data.duplicate);
  const repeats = answers.filter(({ data }) => data.duplicate);
  assert.equal(repeats.length, 9);
  for (const answer of repeats) assert.deepEqual(answer.data, repeated(first).data);
  const live = await publishOrder(server, tenant);
  assert.deepEqual(await kitchen.ids("order:created", live), [id, live]);
});

test("what is emitted again without an id, since its answer was lost, is answered as the first time", { skip }, async () => {
  const tenant = "emitted-again";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga");
  const ready = { orderId: "o-1", status: "ready" };
  const first = await kitchen.ask("order:status_changed", ready);
  assert.equal(first.success, true, JSON.stringify(first));
  await kitchen.cut();
  await kitchen.comesBack();
  assert.deepEqual(await kitchen.ask("order:status_changed", ready), repeated(first));
  // A state that is left and entered again is no repeat.
  const back = await kitchen.ask("order:status_changed", { orderId: "o-1", status: "preparing" });
  const ready_again = await kitchen.ask("order:status_changed", ready);
  assert.notEqual(ready_again.data.id, first.data.id);
  const expected = [first, back, ready_again].map(({ data }) => data.id);
  assert.deepEqual(await dashboard.ids("order:status_changed", ready_again.data.id), expected);
});

for (const kind of ["thread", "coroutine"]) {
  test(`python-socketio (${kind}), which brings no offset, gets what it missed and nothing that it had`, { skip: skip || noPython }, async () => {
    const tenant = `python-${kind}`;
    const token = userToken(tenant, "kitchen_app", "kenji");
    const client = await PythonClient.connect(server, { client: kind, auth: { token, application: "kitchen_app" } });
    const had = await publishOrder(server, tenant);
    assert.equal((await client.hears("order:created")).id, had);
    // Three rounds of the heartbeat.
    await pause(400);
    await client.kill();
    const missed = await publishOrders(server, tenant, 3);
    const again = await PythonClient.connect(server, { client: kind, auth: { token, application: "kitchen_app" } });
    const got = [];
    // Its handlers run side by side: in which order they finish is not the server's to say.
    while (got.length < missed.length) got.push((await again.hears("order:created")).id);
    assert.deepEqual(got.sort(), missed.sort());
    await again.kill();
  });
}
