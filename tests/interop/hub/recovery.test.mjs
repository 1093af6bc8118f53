import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EVERY_CLIENT } from "../support/clients.mjs";
import { leaveAll, Member, newOrderId, publish } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { userToken } from "../support/token.mjs";
import { next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("hub")));
after(async () => {
  leaveAll();
  await server.stop();
});

// What was missed is replayed from the tenant's log, which the hub does not have yet.
const noLog = TARGET === "hub" && "the hub has no log yet";

const order = (tenant) => publish(server, tenant, { type: "order:created", payload: { orderId: newOrderId() } });

for (const [index, [client, io, transports]] of EVERY_CLIENT.entries()) {
  test(`${client}: a kitchen whose line was cut is recovered and gets each missed order once, in order`, { skip: noLog }, async () => {
    const tenant = `recovery-${index}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { io, transports });
    await order(tenant);
    await kitchen.hears("order:created");
    const gone = next(kitchen.socket, "disconnect");
    kitchen.socket.io.engine.close();
    await gone;
    const missed = [];
    for (let i = 0; i < 5; i += 1) missed.push((await order(tenant)).body.data.id);
    kitchen.socket.connect();
    await next(kitchen.socket, "connect");
    const live = (await order(tenant)).body.data.id;
    const got = [];
    while (got.at(-1) !== live) got.push((await kitchen.hears("order:created")).id);
    assert.deepEqual(got, [...missed, live]);
    assert.equal(kitchen.socket.recovered, true);
    kitchen.socket.disconnect();
  });
}

test("a subscription outlives a cut line", { skip: noLog }, async () => {
  const courier = await Member.connect(server, "rooms", "delivery_app", "dario");
  await courier.ask("subscribe:order", "o-1");
  await courier.send("delivery:in_transit", { orderId: "o-1" });
  await courier.hears("delivery:in_transit");
  const gone = next(courier.socket, "disconnect");
  courier.socket.io.engine.close();
  await gone;
  await publish(server, "rooms", { type: "delivery:delayed", payload: { orderId: "o-1" } });
  courier.socket.connect();
  await courier.hears("delivery:delayed");
  await publish(server, "rooms", { type: "delivery:completed", payload: { orderId: "o-1" } });
  await courier.hears("delivery:completed");
});

test("a recovery needs a token like everything else", async () => {
  const kitchen = await Member.connect(server, "no-token", "kitchen_app", "kenji");
  await order("no-token");
  await kitchen.hears("order:created");
  kitchen.socket.io.engine.close();
  kitchen.socket.auth = {};
  kitchen.socket.connect();
  const [error] = await next(kitchen.socket, "connect_error");
  assert.equal(error.data.code, "token_missing");
});

const skip = noLog || (TARGET === "reference" && "the Node implementation recovers for whoever names the session");
test("a session is recovered by its own user alone", { skip }, async () => {
  const kitchen = await Member.connect(server, "stolen", "kitchen_app", "kenji");
  await order("stolen");
  await kitchen.hears("order:created");
  const { id } = kitchen.socket;
  kitchen.socket.io.engine.close();
  kitchen.socket.auth = { token: userToken("elsewhere", "kitchen_app", "kenji"), application: "kitchen_app" };
  await order("stolen");
  kitchen.socket.connect();
  await next(kitchen.socket, "connect");
  assert.equal(kitchen.socket.recovered, false);
  assert.notEqual(kitchen.socket.id, id);
  await publish(server, "elsewhere", { type: "notification:info", payload: { message: "end" } });
  await kitchen.hears("notification:info");
  assert.ok(!kitchen.inbox.all.slice(1).some(({ message }) => message.tenantId === "stolen"));
});
