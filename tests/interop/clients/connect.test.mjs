import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { closeAll, connect, dial, EVERY_CLIENT, upgraded, VERSIONS } from "../support/clients.mjs";
import { start } from "../support/servers.mjs";
import { nowSeconds, sign, subjectToken } from "../support/token.mjs";
import { next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("clients")));
after(() => server.stop());
afterEach(closeAll);

for (const [client, io, transports] of EVERY_CLIENT) {
  test(`${client} connects with a token and learns who it is`, async () => {
    const socket = await connect(server, { io, transports, auth: { token: subjectToken("maria") } });
    const me = await socket.timeout(2000).emitWithAck("whoami");
    assert.equal(me.id, socket.id);
    assert.equal(me.sub, "maria");
    assert.equal(me.recovered, false);
    assert.equal(socket.recovered, false);
  });

  test(`${client} is told first what it said as auth`, async () => {
    const auth = { token: subjectToken("maria") };
    const socket = dial(server, { io, transports, auth });
    assert.deepEqual(await next(socket, "auth"), [auth]);
  });

  test(`${client} is refused without a token, and told why`, async () => {
    const socket = dial(server, { io, transports, auth: {} });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.data.code, "token_missing");
    assert.ok(error.message.length > 0);
    assert.equal(socket.connected, false);
  });

  test(`${client} is refused with somebody else's signature`, async () => {
    const token = sign({ sub: "maria", exp: nowSeconds() + 60 }, { secret: "another secret, also longer than 32 bytes" });
    const socket = dial(server, { io, transports, auth: { token } });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.data.code, "token_signature");
  });
}

const BAD_TOKENS = [
  ["text that is no token", "hello", "token_malformed"],
  ["an expired token", subjectToken("maria", { exp: nowSeconds() - 600 }), "token_expired"],
];
for (const [what, token, code] of BAD_TOKENS) {
  test(`${what} is refused with ${code}`, async () => {
    const socket = dial(server, { auth: { token } });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.data.code, code);
  });
}

test("a token from a function is asked for at every attempt", async () => {
  let asked = 0;
  const socket = await connect(server, { auth: (give) => give({ token: subjectToken(`try-${(asked += 1)}`) }) });
  socket.disconnect();
  socket.connect();
  await next(socket, "connect");
  assert.equal((await socket.timeout(2000).emitWithAck("whoami")).sub, "try-2");
});

test("a refused client gets in with a better token", async () => {
  const socket = dial(server, { auth: {} });
  await next(socket, "connect_error");
  socket.auth = { token: subjectToken() };
  socket.connect();
  await next(socket, "connect");
});

for (const [version, io] of VERSIONS) {
  test(`${version} is told over which transport it talks, before and after its upgrade`, async () => {
    const polling = await connect(server, { io, transports: ["polling"] });
    assert.equal((await polling.timeout(2000).emitWithAck("whoami")).transport, "polling");
    const upgrading = await connect(server, { io, transports: ["polling", "websocket"] });
    await upgraded(upgrading);
    assert.equal((await upgrading.timeout(2000).emitWithAck("whoami")).transport, "websocket");
  });

  test(`${version} holds two namespaces over one connection`, async () => {
    const main = await connect(server, { io });
    const custom = main.io.socket("/custom", { auth: { token: subjectToken("other") } });
    await next(custom, "connect");
    const [first, second] = await Promise.all([
      main.timeout(2000).emitWithAck("whoami"),
      custom.timeout(2000).emitWithAck("whoami"),
    ]);
    assert.notEqual(first.id, second.id);
    assert.equal(second.id, custom.id);
    custom.disconnect();
    assert.equal((await main.timeout(2000).emitWithAck("whoami")).id, first.id);
  });

  test(`${version} is told that a namespace does not exist`, async () => {
    const socket = dial(server, { io, namespace: "/nowhere" });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.message, "Invalid namespace");
  });
}
