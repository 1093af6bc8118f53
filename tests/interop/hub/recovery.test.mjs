// A line that was cut: the client comes back with its private id and the offset of the last event it got.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { EVERY_DIALECT, VERSIONS } from "../support/clients.mjs";
import { BRISK, connected, CURSOR, dialHub, leaveAll, Member, newOrderId, publish, publishOrder, publishOrders } from "../support/hub.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { nowSeconds, userToken } from "../support/token.mjs";
import { Inbox, next, until } from "../support/wait.mjs";

let server;
before(async () => {
  // A token ends when it says so: nobody's clock differs here.
  server = await start("hub", [], { env: { ...BRISK, FOODTRACK__SECURITY__LEEWAY_SECONDS: "0" } });
});
after(async () => {
  leaveAll();
  await server.stop();
});

// Half a minute of grace passes while the other tests run.
const GRACE_MS_MAX = 33_000;
let graceEnds;

const skip = TARGET === "reference" && "Socket.IO's own server does not promise it";

test("a token that has just expired and is not renewed resumes", { skip }, async () => {
  const { kitchen, missed, tokenEndedAgo } = await cutKitchen("grace-over");
  kitchen.socket.auth = { token: tokenEndedAgo(20), application: "kitchen_app" };
  await kitchen.comesBack();
  assert.equal(kitchen.socket.recovered, true);
  await kitchen.ids("order:created", missed);
  graceEnds = next(kitchen.socket, "disconnect", GRACE_MS_MAX);
  graceEnds.catch(() => {});
});

for (const [index, [client, options]] of EVERY_DIALECT.entries()) {
  test(`${client}: a kitchen whose line was cut is recovered and gets each missed order once, in order`, { skip: options.parser && skip }, async () => {
    const tenant = `recovery-${index}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", options);
    const first = await publishOrder(server, tenant);
    await kitchen.ids("order:created", first);
    const { id } = kitchen.socket;
    await kitchen.cut();
    const missed = await publishOrders(server, tenant, 5);
    await kitchen.comesBack();
    const live = await publishOrder(server, tenant);
    assert.deepEqual(await kitchen.ids("order:created", live), [...missed, live]);
    assert.equal(kitchen.socket.recovered, true);
    assert.equal(kitchen.socket.id, id);
  });

  test(`${client}: connect comes before what was missed`, { skip }, async () => {
    const tenant = `connect-first-${index}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", options);
    await kitchen.ids("order:created", await publishOrder(server, tenant));
    await kitchen.cut();
    const missed = await publishOrders(server, tenant, 3);
    await kitchen.comesBack();
    await kitchen.ids("order:created", missed.at(-1));
    assert.deepEqual(kitchen.connects, [0, 1]);
  });
}

for (const [version, io] of VERSIONS) {
  test(`${version}: a line that is cut over and over loses no order and repeats none`, { skip }, async () => {
    const tenant = `cut-often-${version.replace(".", "-")}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { io });
    const { id } = kitchen.socket;
    const sent = [];
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) sent.push(await publishOrder(server, tenant));
    })();
    try {
      for (let cut = 0; cut < 12; cut += 1) {
        await kitchen.hears("order:created");
        await kitchen.cut();
        await kitchen.comesBack();
        assert.equal(kitchen.socket.id, id);
      }
    } finally {
      isOver = true;
      await publishing;
    }
    const ids = () => kitchen.inbox.all.map(({ message }) => message.id);
    await until(() => ids().at(-1) === sent.at(-1), "last order");
    assert.deepEqual(ids(), sent);
  });
}

for (const way of ["websocket", "polling"]) {
  test(`a kitchen over ${way} that missed a long evening gets it all once, in order, through cuts and while it goes on`, { skip }, async () => {
    const tenant = `evening-${way}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { transports: [way] });
    await kitchen.ids("order:created", await publishOrder(server, tenant));
    await kitchen.cut();
    const MISSED = 700;
    const publishing = (count) => Promise.all(Array.from({ length: 20 }, () => publishOrders(server, tenant, count / 20)));
    await publishing(MISSED);
    for (let cut = 0; cut < 3; cut += 1) {
      const { length } = kitchen.inbox.all;
      await kitchen.comesBack();
      await until(() => kitchen.inbox.all.length > Math.min(length, MISSED), "missed order");
      await kitchen.cut();
    }
    const [more] = await Promise.all([publishing(100), kitchen.comesBack()]);
    assert.equal(more.flat().length, 100);
    const last = await publishOrder(server, tenant);
    await until(() => kitchen.inbox.all.at(-1).message.id === last, "last order", 15_000);
    const offsets = kitchen.inbox.all.map(({ rest }) => Number(rest.at(-1).split("-")[1]));
    assert.equal(kitchen.inbox.all.length, 1 + MISSED + 100 + 1);
    assert.deepEqual(offsets, offsets.toSorted((a, b) => a - b));
    assert.equal(new Set(kitchen.inbox.all.map(({ message }) => message.id)).size, kitchen.inbox.all.length);
  });
}

/**
 * Comes back, and tears the line behind the greeting; mostly before anything of what was missed. Not in the greeting's
 * handler: what was read together with it would wait in the client until it is connected again, and come twice.
 */
async function greetedAndCut(member) {
  const gone = next(member.socket, "disconnect");
  member.socket.once("system:connection_established", () => setImmediate(() => member.socket.io.engine.close()));
  member.socket.connect();
  await gone;
}

for (const way of ["websocket", "polling"]) {
  test(`over ${way}, a line that is cut behind the greeting loses nothing of what was missed`, { skip }, async () => {
    const tenant = `greeting-${way}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { transports: [way] });
    await kitchen.ids("order:created", await publishOrder(server, tenant));
    await kitchen.cut();
    const missed = await publishOrders(server, tenant, 5);
    await greetedAndCut(kitchen);
    await greetedAndCut(kitchen);
    await kitchen.comesBack();
    const live = await publishOrder(server, tenant);
    assert.deepEqual(await kitchen.ids("order:created", live), [...missed, live]);
  });

  test(`over ${way}, a page loaded anew whose line is cut behind the greeting loses nothing, and gets no history`, { skip }, async () => {
    const tenant = `greeting-anew-${way}`;
    await publishOrders(server, tenant, 3);
    const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji", { transports: [way] });
    kitchen.socket.disconnect();
    const missed = await publishOrders(server, tenant, 5);
    const auth = { token: userToken(tenant, "kitchen_app", "kenji"), application: "kitchen_app" };
    const again = new Member(dialHub(server, { auth, transports: [way], autoConnect: false }));
    await greetedAndCut(again);
    await again.comesBack();
    const live = await publishOrder(server, tenant);
    assert.deepEqual(await again.ids("order:created", live), [...missed, live]);
  });
}

test("a kitchen that heard nothing yet is recovered all the same", { skip }, async () => {
  const kitchen = await Member.connect(server, "nothing-yet", "kitchen_app", "kenji");
  const { id } = kitchen.socket;
  await kitchen.cut();
  const missed = await publishOrders(server, "nothing-yet", 2);
  await kitchen.comesBack();
  assert.equal(kitchen.socket.id, id);
  assert.deepEqual(await kitchen.ids("order:created", missed.at(-1)), missed);
});

test("a client that comes back before its old line is missed takes the session over", { skip }, async () => {
  const kitchen = await Member.connect(server, "takes-over", "kitchen_app", "kenji");
  const first = await publishOrder(server, "takes-over");
  const { rest } = await kitchen.inbox.next("order");
  assert.equal(kitchen.inbox.all[0].message.id, first);
  const { id, _pid: pid } = kitchen.socket;
  const lost = next(kitchen.socket, "disconnect");
  const again = await Member.connect(server, "takes-over", "kitchen_app", "kenji", { auth: { pid, offset: rest[0] } });
  assert.equal(again.socket.id, id);
  await lost;
  const live = await publishOrder(server, "takes-over");
  assert.deepEqual(await again.ids("order:created", live), [live]);
  assert.equal(kitchen.inbox.all.length, 1);
});

test("every event ends with a cursor, whatever its class", { skip }, async () => {
  const tenant = "cursors";
  const socket = dialHub(server, { auth: { token: userToken(tenant, "tenant_dashboard", "olga"), application: "tenant_dashboard" } });
  const inbox = new Inbox();
  socket.onAny((event, ...args) => inbox.push([event, args.at(-1)]));
  await connected(socket);
  const hears = async (event) => {
    const [, last] = await inbox.find(([name]) => name === event, event);
    assert.match(last, CURSOR, event);
    return last;
  };
  await hears("system:connection_established");
  socket.emit("subscribe:tenant", tenant);
  await hears("subscribed");
  socket.emit("ping");
  await hears("pong");
  socket.emit("no-such-event", {});
  await hears("system:error");
  const orderId = newOrderId();
  await publish(server, tenant, { type: "order:created", payload: { orderId } });
  const of_order = await hears("order:created");
  await publish(server, tenant, { type: "delivery:location_updated", payload: { orderId, latitude: 1, longitude: 2 } });
  assert.equal(await hears("delivery:location_updated"), of_order);
  await publish(server, tenant, { type: "notification:info", payload: { message: "hello" } });
  const of_notice = await hears("notification:info");
  const [epoch, offset] = of_order.split("-");
  assert.equal(of_notice, `${epoch}-${Number(offset) + 1}`);
});

test("what is volatile is not replayed, and does not spoil the place", { skip }, async () => {
  const tenant = "volatile";
  const dashboard = await Member.connect(server, tenant, "tenant_dashboard", "olga");
  const orderId = newOrderId();
  const location = (latitude) =>
    publish(server, tenant, { type: "delivery:location_updated", payload: { orderId, latitude, longitude: 2 } });
  await location(1);
  await dashboard.hears("delivery:location_updated");
  await dashboard.cut();
  await location(3);
  const missed = await publishOrder(server, tenant);
  await dashboard.comesBack();
  await dashboard.ids("order:created", missed);
  assert.equal(dashboard.socket.recovered, true);
  assert.deepEqual(dashboard.inbox.all.map(({ event }) => event), ["delivery:location_updated", "order:created"]);
});

test("a subscription outlives a cut line", async () => {
  const courier = await Member.connect(server, "rooms", "delivery_app", "dario");
  await courier.ask("subscribe:order", "o-1");
  await courier.send("delivery:in_transit", { orderId: "o-1" });
  await courier.hears("delivery:in_transit");
  await courier.cut();
  await publish(server, "rooms", { type: "delivery:delayed", payload: { orderId: "o-1" } });
  await courier.comesBack();
  await courier.hears("delivery:delayed");
  await publish(server, "rooms", { type: "delivery:completed", payload: { orderId: "o-1" } });
  await courier.hears("delivery:completed");
});

test("a room that was left is not joined again by a recovery", { skip }, async () => {
  const tenant = "left-room";
  const courier = await Member.connect(server, tenant, "delivery_app", "dario");
  await courier.ask("subscribe:order", "o-1");
  await courier.ask("subscribe:order", "o-2");
  await courier.ask("unsubscribe:order", "o-1");
  await courier.cut();
  await courier.comesBack();
  await publish(server, tenant, { type: "delivery:delayed", payload: { orderId: "o-1" } });
  await publish(server, tenant, { type: "delivery:delayed", payload: { orderId: "o-2" } });
  assert.equal((await courier.hears("delivery:delayed")).payload.orderId, "o-2");
});

test("who leaves on purpose comes back to a new session, or to the whole of the old one", { skip }, async () => {
  const courier = await Member.connect(server, "on-purpose", "delivery_app", "dario");
  await courier.ask("subscribe:order", "o-1");
  await courier.send("delivery:in_transit", { orderId: "o-1" });
  await courier.hears("delivery:in_transit");
  const { id } = courier.socket;
  courier.socket.disconnect();
  await courier.comesBack();
  // A client that is told that it was recovered does not subscribe again.
  if (!courier.socket.recovered) return assert.notEqual(courier.socket.id, id);
  const live = await publishOrder(server, "on-purpose", { type: "delivery:delayed" }, { orderId: "o-1" });
  await courier.ids("delivery:delayed", live);
});

test("a recovery needs a token like everything else", async () => {
  const kitchen = await Member.connect(server, "no-token", "kitchen_app", "kenji");
  await publishOrder(server, "no-token");
  await kitchen.hears("order:created");
  kitchen.socket.io.engine.close();
  kitchen.socket.auth = {};
  kitchen.socket.connect();
  const [error] = await next(kitchen.socket, "connect_error");
  assert.equal(error.data.code, "token_missing");
});

// Somebody's session is somebody's: another tenant's namesake, another user, another application of the same user.
const STRANGERS = [
  ["a namesake in another tenant", "elsewhere", "kitchen_app", "kenji"],
  ["another user of the tenant", undefined, "kitchen_app", "mallory"],
  ["another application of the same user", undefined, "tenant_dashboard", "kenji"],
];
for (const [index, [who, elsewhere, application, user]] of STRANGERS.entries()) {
  test(`a session is not recovered by ${who}`, { skip }, async () => {
    const robbed = `stolen-${index}`;
    const tenant = elsewhere ?? robbed;
    const kitchen = await Member.connect(server, robbed, "kitchen_app", "kenji");
    await publishOrder(server, robbed);
    await kitchen.hears("order:created");
    const { id } = kitchen.socket;
    await kitchen.cut();
    await publishOrder(server, robbed);
    kitchen.socket.auth = { token: userToken(tenant, application, user), application };
    await kitchen.comesBack();
    assert.equal(kitchen.socket.recovered, false);
    assert.notEqual(kitchen.socket.id, id);
    const live = await publishOrder(server, tenant);
    const heard = await kitchen.ids("order:created", live);
    assert.ok(kitchen.inbox.all.slice(1).every(({ message }) => message.tenantId === tenant));
    // The cursor is its own: who was never here has missed nothing.
    assert.deepEqual(heard, [live]);
  });
}

const flip = (text, at) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
const BAD_PIDS = {
  empty: () => "",
  garbage: () => "garbage",
  "one of its characters changed": (pid) => flip(pid, pid.length - 2),
  "another session's name in it": (pid) => flip(pid, 2),
  "twice as long": (pid) => pid + pid,
  "not a string": () => 42,
  "an object": () => ({ pid: true }),
  "a line of JSON": () => '"}]{',
};
for (const [name, spoil] of Object.entries(BAD_PIDS)) {
  test(`a private id that is ${name} gets a new session, and what was missed`, { skip }, async () => {
    const tenant = "bad-pid";
    const user = `kenji-${name.replaceAll(" ", "-")}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", user);
    await publishOrder(server, tenant);
    const { rest } = await kitchen.inbox.next("order");
    const { id, _pid: pid } = kitchen.socket;
    await kitchen.cut();
    const missed = await publishOrders(server, tenant, 2);
    const auth = { pid: spoil(pid), offset: rest[0] };
    const again = await Member.connect(server, tenant, "kitchen_app", user, { auth });
    assert.notEqual(again.socket.id, id);
    const heard = await again.ids("order:created", missed.at(-1));
    assert.deepEqual(heard.slice(-2), missed);
    assert.equal(new Set(heard).size, heard.length);
  });
}

const BAD_OFFSETS = {
  empty: () => "",
  garbage: () => "garbage",
  "without a number": (offset) => offset.replace(/\d+$/, ""),
  "of another epoch": (offset) => `zzz-${offset.split("-")[1]}`,
  "far ahead": (offset) => `${offset.split("-")[0]}-999999`,
  "longer than a number": (offset) => offset + "9".repeat(40),
  negative: (offset) => offset.replace("-", "--"),
  "a number": () => 7,
  "an object": () => ({}),
  "the last argument of an application's event": () => "please call me back",
};
for (const [name, spoil] of Object.entries(BAD_OFFSETS)) {
  test(`an offset that is ${name} loses nothing that was missed`, { skip }, async () => {
    const tenant = "bad-offset";
    const user = `kenji-${name.replaceAll(/[ ']/g, "-")}`;
    const kitchen = await Member.connect(server, tenant, "kitchen_app", user);
    await publishOrder(server, tenant);
    const { rest } = await kitchen.inbox.next("order");
    const { _pid: pid } = kitchen.socket;
    await kitchen.cut();
    const missed = await publishOrders(server, tenant, 2);
    const again = await Member.connect(server, tenant, "kitchen_app", user, { auth: { pid, offset: spoil(rest[0]) } });
    const heard = await again.ids("order:created", missed.at(-1));
    assert.deepEqual(heard.slice(-2), missed);
    assert.equal(new Set(heard).size, heard.length);
  });
}

test("an offset without a private id is nobody's word: the server's own cursor counts", { skip }, async () => {
  const tenant = "offset-alone";
  const kitchen = await Member.connect(server, tenant, "kitchen_app", "kenji");
  const [first, second] = await publishOrders(server, tenant, 2);
  await kitchen.ids("order:created", first);
  const { rest } = await kitchen.inbox.next("order");
  await kitchen.cut();
  const [epoch, offset] = rest[0].split("-");
  const missed = await publishOrders(server, tenant, 2);
  const ahead = `${epoch}-${Number(offset) + 1}`;
  const again = await Member.connect(server, tenant, "kitchen_app", "kenji", { auth: { offset: ahead } });
  const heard = await again.ids("order:created", missed.at(-1));
  assert.deepEqual(heard.slice(-2), missed);
  const stranger = await Member.connect(server, tenant, "kitchen_app", "mallory", { auth: { offset: `${epoch}-0` } });
  const live = await publishOrder(server, tenant);
  assert.deepEqual(await stranger.ids("order:created", live), [live], `no history, such as ${second}`);
});

/** A kitchen whose line is cut, that got one order and missed one; `token` is of the same user. */
async function cutKitchen(tenant, user = "kenji") {
  const kitchen = await Member.connect(server, tenant, "kitchen_app", user);
  await kitchen.ids("order:created", await publishOrder(server, tenant));
  await kitchen.cut();
  const missed = await publishOrder(server, tenant);
  const tokenEndedAgo = (seconds) => userToken(tenant, "kitchen_app", user, { exp: nowSeconds() - seconds });
  return { kitchen, missed, tokenEndedAgo, id: kitchen.socket.id };
}

test("a token that has just expired resumes, is asked for a fresh one in band, and stays with it", { skip }, async () => {
  const tenant = "grace";
  const { kitchen, missed, tokenEndedAgo } = await cutKitchen(tenant);
  kitchen.socket.auth = { token: tokenEndedAgo(27), application: "kitchen_app" };
  await kitchen.comesBack();
  assert.equal(kitchen.socket.recovered, true);
  await kitchen.ids("order:created", missed);
  const asked = await kitchen.system.find(({ event }) => event === "system:error", "system:error");
  assert.equal(asked.message.payload?.code ?? asked.message.code, "token_expired");
  const { success } = await kitchen.ask("authenticate", { token: userToken(tenant, "kitchen_app", "kenji") });
  assert.equal(success, true);
  await assert.rejects(next(kitchen.socket, "disconnect", 4000), /no "disconnect"/);
  await kitchen.ids("order:created", await publishOrder(server, tenant));
});

test("a token that expired longer ago than the grace resumes nothing", { skip }, async () => {
  const { kitchen, tokenEndedAgo } = await cutKitchen("too-late");
  kitchen.socket.auth = { token: tokenEndedAgo(60), application: "kitchen_app" };
  kitchen.socket.connect();
  const [error] = await next(kitchen.socket, "connect_error");
  assert.equal(error.data.code, "token_expired");
});

test("a token that has just expired opens no new session", { skip }, async () => {
  const { tokenEndedAgo } = await cutKitchen("expired-new");
  for (const extra of [{}, { pid: "garbage", offset: "a-1" }]) {
    const socket = dialHub(server, { auth: { token: tokenEndedAgo(5), application: "kitchen_app", ...extra } });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.data.code, "token_expired");
  }
});

test("and its connection ends with the grace, in a way that its library comes back from by itself", { skip }, async () => {
  const [reason] = await graceEnds;
  assert.equal(reason, "transport close");
});
