// The hub is killed as by a power cut (SIGKILL) and started again on the same data directory and port.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { EVERY_DIALECT } from "../support/clients.mjs";
import { BRISK, connected, leaveAll, Member, newOrderId, publish, publishOrder, publishOrders, repeated } from "../support/hub.mjs";
import { killPythonClients, noPython, PythonClient } from "../support/python_client.mjs";
import { DurableHub, TARGET } from "../support/servers.mjs";
import { serviceToken, userToken } from "../support/token.mjs";
import { next, pause, until, within } from "../support/wait.mjs";

const skip = TARGET === "reference" && "Socket.IO's own server keeps nothing on a disk";
const PATIENT = { reconnection: true, reconnectionDelay: 30, reconnectionDelayMax: 100, randomizationFactor: 0 };

let hub;
before(async () => {
  if (!skip) hub = await DurableHub.start({ env: BRISK });
});
after(() => hub?.stop());
afterEach(async () => {
  leaveAll();
  await killPythonClients();
});

const check = (name, body, why = false) => test(name, { skip: skip || why }, body);

/** Kills the hub, and starts it again once each of `members` has noticed. */
async function killAndStart(members) {
  const gone = members.map(({ socket }) => socket.connected && next(socket, "disconnect"));
  await hub.kill();
  await Promise.all(gone);
  await hub.startAgain();
}

for (const [index, [client, options]] of EVERY_DIALECT.entries()) {
  check(`${client}: a killed hub's kitchen is recovered and gets each order once, in order`, async () => {
    const tenant = `killed-${index}`;
    const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji", options);
    const had = await publishOrders(hub, tenant, 3);
    await kitchen.ids("order:created", had.at(-1));
    const { id } = kitchen.socket;
    await killAndStart([kitchen]);
    const missed = await publishOrders(hub, tenant, 3);
    await kitchen.comesBack();
    const live = await publishOrder(hub, tenant);
    assert.deepEqual(await kitchen.ids("order:created", live), [...missed, live]);
    assert.equal(kitchen.socket.recovered, true);
    assert.equal(kitchen.socket.id, id);
  });
}

check("a client left to itself is back, recovered, after a kill", async () => {
  const kitchen = await Member.connect(hub, "by-itself", "kitchen_app", "kenji", PATIENT);
  await kitchen.ids("order:created", await publishOrder(hub, "by-itself"));
  const back = new Promise((resolve) => kitchen.socket.on("connect", resolve));
  await hub.kill();
  await hub.startAgain();
  await within(back, "return");
  assert.equal(kitchen.socket.recovered, true);
  const live = await publishOrder(hub, "by-itself");
  assert.deepEqual(await kitchen.ids("order:created", live), [live]);
});

check("rooms that were subscribed to are there again after a kill", async () => {
  const tenant = "killed-rooms";
  const courier = await Member.connect(hub, tenant, "delivery_app", "dario");
  assert.equal((await courier.ask("subscribe:order", "o-1")).success, true);
  assert.equal((await courier.ask("subscribe:order", "o-2")).success, true);
  assert.equal((await courier.ask("unsubscribe:order", "o-2")).success, true);
  await killAndStart([courier]);
  const missed = await publishOrder(hub, tenant, { type: "delivery:delayed" }, { orderId: "o-1" });
  await courier.comesBack();
  assert.equal(courier.socket.recovered, true);
  await publishOrder(hub, tenant, { type: "delivery:delayed" }, { orderId: "o-2" });
  const live = await publishOrder(hub, tenant, { type: "delivery:completed" }, { orderId: "o-1" });
  const heard = [];
  while (heard.at(-1) !== live) heard.push((await courier.inbox.next("message")).message.id);
  assert.deepEqual(heard, [missed, live]);
});

check("nothing that was acknowledged is missing after a kill in full flight, and nothing comes twice", async () => {
  const tenant = "in-flight";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(hub, tenant, "tenant_dashboard", "olga");
  const acknowledged = [];
  for (let round = 0; round < 3; round += 1) {
    let isDown = false;
    const emitting = Array.from({ length: 8 }, async () => {
      while (!isDown) {
        const answer = await dashboard.socket.timeout(1500).emitWithAck("order:created", { orderId: newOrderId() }).catch(() => undefined);
        if (!answer) return;
        assert.equal(answer.success, true, JSON.stringify(answer));
        acknowledged.push(answer.data.id);
      }
    });
    await until(() => acknowledged.length >= 40 * (round + 1), "acknowledgements");
    const gone = [kitchen, dashboard].map(({ socket }) => next(socket, "disconnect"));
    await hub.kill();
    isDown = true;
    await Promise.all(gone);
    await Promise.all(emitting);
    await hub.startAgain();
    await Promise.all([kitchen.comesBack(), dashboard.comesBack()]);
    assert.equal(kitchen.socket.recovered, true);
  }
  const last = await publishOrder(hub, tenant);
  for (const member of [kitchen, dashboard]) {
    await member.ids("order:created", last);
    const heard = member.inbox.all.map(({ message }) => message.id);
    assert.equal(new Set(heard).size, heard.length, "one came twice");
    assert.deepEqual(acknowledged.filter((id) => !heard.includes(id)), [], "acknowledged, and not heard");
  }
  const [first, second] = [kitchen, dashboard].map(({ inbox }) => inbox.all.map(({ message }) => message.id));
  assert.deepEqual(first, second);
});

check("what was published over HTTP and acknowledged is there after a kill", async () => {
  const tenant = "http-flight";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  await kitchen.ids("order:created", await publishOrder(hub, tenant));
  await kitchen.cut();
  const acknowledged = [];
  const token = serviceToken(tenant);
  const publishing = Array.from({ length: 6 }, async () => {
    for (;;) {
      const sent = publish(hub, tenant, { type: "order:created", payload: { orderId: newOrderId() } }, { token });
      const answer = await sent.catch(() => undefined);
      if (!answer) return;
      acknowledged.push(answer.body.data.id);
    }
  });
  await until(() => acknowledged.length >= 60, "acknowledgements");
  await hub.kill();
  await Promise.all(publishing);
  await hub.startAgain();
  await kitchen.comesBack();
  const last = await publishOrder(hub, tenant);
  const heard = await kitchen.ids("order:created", last);
  assert.deepEqual(acknowledged.filter((id) => !heard.includes(id)), []);
  assert.equal(new Set(heard).size, heard.length);
});

check("a page that is loaded anew after a kill gets what it had not confirmed", async () => {
  const tenant = "killed-reload";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  const had = await publishOrder(hub, tenant);
  await kitchen.ids("order:created", had);
  await kitchen.confirms();
  // What was confirmed is written behind; a little later it is on the disk.
  await pause(1500);
  kitchen.socket.disconnect();
  const missed = await publishOrders(hub, tenant, 2);
  await hub.kill();
  await hub.startAgain();
  const again = await kitchen.reloads();
  assert.deepEqual(await again.ids("order:created", missed.at(-1)), missed);
});

check("an id that was accepted before a kill is answered the same after it, and delivered once", async () => {
  const tenant = "killed-id";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(hub, tenant, "tenant_dashboard", "olga");
  const id = "0190b2f0-0000-7000-8000-000000000002";
  const message = { id, type: "order:created", payload: { orderId: "o-1" } };
  const first = await dashboard.ask("order:created", message);
  assert.equal(first.success, true, JSON.stringify(first));
  await kitchen.ids("order:created", id);
  await killAndStart([kitchen, dashboard]);
  await Promise.all([kitchen.comesBack(), dashboard.comesBack()]);
  assert.deepEqual(await dashboard.ask("order:created", message), repeated(first));
  const live = await publishOrder(hub, tenant);
  assert.deepEqual(await kitchen.ids("order:created", live), [live]);
});

check("what is emitted again without an id after a kill is answered as the first time, and delivered once", async () => {
  const tenant = "killed-again";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  const dashboard = await Member.connect(hub, tenant, "tenant_dashboard", "olga");
  const ready = { orderId: "o-1", status: "ready" };
  const first = await kitchen.ask("order:status_changed", ready);
  assert.equal(first.success, true, JSON.stringify(first));
  const { id } = first.data;
  await dashboard.ids("order:status_changed", id);
  await killAndStart([kitchen, dashboard]);
  await Promise.all([kitchen.comesBack(), dashboard.comesBack()]);
  assert.deepEqual(await kitchen.ask("order:status_changed", ready), repeated(first));
  const another = await kitchen.ask("order:status_changed", { ...ready, orderId: "o-2" });
  assert.deepEqual(await dashboard.ids("order:status_changed", another.data.id), [another.data.id]);
  const said = await kitchen.ask("order:status_changed", { ...ready, status: "completed" });
  assert.notEqual(said.data.id, id);
  assert.notEqual((await kitchen.ask("order:status_changed", ready)).data.id, id, "it was left and is entered again");
});

check("an offset that was shown is not given to another message after a kill", async () => {
  const tenant = "killed-offsets";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  const cursors = [];
  const seen = new Set();
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 5; i += 1) {
      // Recoverable ones, which do not wait for the disk.
      await publish(hub, tenant, { type: "notification:info", payload: { message: `${round} ${i}` } });
      const { message, rest } = await kitchen.inbox.next("notification");
      assert.ok(!seen.has(message.id), "a notification came twice");
      seen.add(message.id);
      cursors.push(rest.at(-1));
    }
    await killAndStart([kitchen]);
    await kitchen.comesBack();
  }
  assert.equal(new Set(cursors).size, cursors.length, cursors.join(" "));
});

check("an order's customer is known after a kill", async () => {
  const tenant = "killed-customer";
  const ana = await Member.connect(hub, tenant, "client_app", "ana");
  const bob = await Member.connect(hub, tenant, "client_app", "bob");
  await ana.send("order:created", { orderId: "o-1", customerId: "ana" });
  await ana.hears("order:created");
  await killAndStart([ana, bob]);
  await Promise.all([ana.comesBack(), bob.comesBack()]);
  assert.equal((await bob.ask("order:cancelled", { orderId: "o-1" })).success, false);
  await bob.ask("order:created", { orderId: "o-1", customerId: "bob" });
  const ready = await publishOrder(hub, tenant, { type: "order:status_changed" }, { orderId: "o-1", status: "ready" });
  await ana.ids("order:status_changed", ready);
  const end = (await publish(hub, tenant, { type: "notification:info", payload: { message: "end" } })).body.data.id;
  await bob.ids("notification:info", end);
  assert.ok(!bob.inbox.all.some(({ message }) => message.id === ready));
});

check("a private id of before a kill is still nobody else's", async () => {
  const tenant = "killed-stolen";
  const kitchen = await Member.connect(hub, tenant, "kitchen_app", "kenji");
  await kitchen.ids("order:created", await publishOrder(hub, tenant));
  const { id } = kitchen.socket;
  await killAndStart([kitchen]);
  kitchen.socket.auth = { token: userToken("killed-elsewhere", "kitchen_app", "kenji"), application: "kitchen_app" };
  kitchen.socket.connect();
  await connected(kitchen.socket);
  assert.equal(kitchen.socket.recovered, false);
  assert.notEqual(kitchen.socket.id, id);
});

check(
  "python-socketio, which brings no offset, loses nothing to a kill",
  async () => {
    const tenant = "killed-python";
    const auth = { token: userToken(tenant, "kitchen_app", "kenji"), application: "kitchen_app" };
    const client = await PythonClient.connect(hub, { auth, reconnects: true });
    const had = await publishOrder(hub, tenant);
    assert.equal((await client.hears("order:created")).id, had);
    await hub.kill();
    await client.isTold("disconnect");
    await hub.startAgain();
    const missed = await publishOrders(hub, tenant, 2);
    await client.isTold("connect");
    // What it had may come again: nothing told the server that it came.
    const got = new Set();
    while (!missed.every((id) => got.has(id))) got.add((await client.hears("order:created")).id);
    await client.kill();
  },
  noPython,
);
