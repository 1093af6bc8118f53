import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { WAYS, VERSIONS } from "../support/clients.mjs";
import { connected, dialHub, leaveAll, Member, RFC3339_UTC, UUID } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";
import { claims, nowSeconds, ROLE_OF, sign, userToken } from "../support/token.mjs";
import { next } from "../support/wait.mjs";

let server;
before(async () => (server = await start("hub")));
after(() => server.stop());
afterEach(leaveAll);

const SPELLINGS = {
  client_app: ["client_app", "client", "customer"],
  tenant_dashboard: ["tenant_dashboard", "tenant", "dashboard"],
  kitchen_app: ["kitchen_app", "kitchen"],
  delivery_app: ["delivery_app", "delivery"],
};
for (const [application, spellings] of Object.entries(SPELLINGS)) {
  test(`${application} connects under each of its spellings`, async () => {
    for (const spelling of spellings) {
      const socket = dialHub(server, { auth: { token: userToken("roma", application, "u"), application: spelling } });
      await connected(socket);
    }
  });
}

for (const [version, io] of VERSIONS) {
  for (const [way, transports] of WAYS) {
    test(`socket.io-client ${version} connects over ${way}`, async () => {
      const member = await Member.connect(server, "roma", "kitchen_app", "kenji", { io, transports });
      const { success } = await member.ask("health_check");
      assert.equal(success, true);
    });
  }
}

test("a connection is greeted with system:connection_established", async () => {
  const member = await Member.connect(server, "roma", "kitchen_app", "kenji");
  const { event, message } = await member.system.next();
  assert.equal(event, "system:connection_established");
  assert.match(message.id, UUID);
  assert.match(message.timestamp, RFC3339_UTC);
  assert.equal(message.type, event);
  assert.equal(message.tenantId, "roma");
  assert.equal(message.source, "system");
});

test("a token that opens one application needs no name for it", async () => {
  const socket = dialHub(server, { auth: { token: userToken("roma", "kitchen_app", "kenji") } });
  await connected(socket);
});

test("a token may come in the Authorization header", async () => {
  const extraHeaders = { Authorization: `Bearer ${userToken("roma", "kitchen_app", "kenji")}` };
  const socket = dialHub(server, { auth: { application: "kitchen_app" }, extraHeaders });
  await connected(socket);
});

test("sub names the user where userId does not", async () => {
  const token = sign({ ...claims("roma", "kitchen_app", "kenji"), userId: undefined });
  const socket = dialHub(server, { auth: { token, application: "kitchen_app" } });
  await connected(socket);
});

const ordinary = (changes) => ({ token: userToken("roma", "kitchen_app", "kenji", changes), application: "kitchen_app" });
const signedBy = (options) => ({ token: sign(claims("roma", "kitchen_app", "kenji"), options), application: "kitchen_app" });
const good = userToken("roma", "kitchen_app", "kenji");
const bothApplications = { applicationTypes: ["kitchen_app", "tenant_dashboard"] };

const REFUSALS = [
  ["no token", { application: "kitchen_app" }, "token_missing"],
  ["no auth at all", undefined, "token_missing"],
  ["an empty token", { token: "", application: "kitchen_app" }, "token_missing"],
  ["text for a token", { token: "let me in", application: "kitchen_app" }, "token_malformed"],
  ["a number for a token", { token: 42, application: "kitchen_app" }, ["token_malformed", "token_missing"]],
  ["a token of two parts", { token: good.slice(0, good.lastIndexOf(".")), application: "kitchen_app" }, "token_malformed"],
  ["a token of 13 000 bytes", ordinary({ padding: "x".repeat(9_500) }), "token_malformed"],
  ["no algorithm", signedBy({ algorithm: "none" }), ["token_algorithm", "token_malformed", "token_signature"]],
  ["a foreign signature", signedBy({ secret: "another secret, also longer than 32 bytes" }), "token_signature"],
  ["changed claims", { token: good.replace(/\.[^.]+\./, `.${sign(claims("kyoto", "kitchen_app", "kenji")).split(".")[1]}.`), application: "kitchen_app" }, "token_signature"],
  ["a token past its exp", ordinary({ exp: nowSeconds() - 600 }), "token_expired"],
  ["a token before its nbf", ordinary({ nbf: nowSeconds() + 600 }), "token_not_yet_valid"],
  ["no exp", ordinary({ exp: undefined }), "token_claims"],
  ["no tenant", ordinary({ tenantId: undefined }), "token_claims"],
  ["a tenant with a colon", ordinary({ tenantId: "ro:ma" }), "token_claims"],
  ["a tenant of 65 characters", ordinary({ tenantId: "x".repeat(65) }), "token_claims"],
  ["no user", ordinary({ userId: undefined, sub: undefined }), "token_claims"],
  ["no role", ordinary({ role: undefined }), "token_claims"],
  ["an unknown role", ordinary({ role: "emperor" }), "token_claims"],
  ["an unknown application", { token: good, application: "toaster" }, "application_unknown"],
  ["another application than the token's", { token: good, application: "tenant_dashboard" }, "application_forbidden"],
  ["two applications and none named", { token: userToken("roma", "kitchen_app", "kenji", bothApplications) }, "application_required"],
];
for (const [what, auth, code] of REFUSALS) {
  test(`${what} is refused with ${[code].flat().join(" or ")}`, async () => {
    const socket = dialHub(server, { auth });
    const [error] = await next(socket, "connect_error");
    assert.ok([code].flat().includes(error.data?.code), JSON.stringify(error.data ?? error.message));
    assert.equal(typeof error.data.number, "number");
    assert.ok(error.message.length > 10, "a sentence");
    assert.ok(!JSON.stringify([error.message, error.data]).includes(good.split(".")[2]), "no token in a refusal");
    assert.equal(socket.connected, false);
  });
}

test("another namespace does not exist", async () => {
  const socket = dialHub(server, { namespace: "/admin2", auth: ordinary() });
  const [error] = await next(socket, "connect_error");
  assert.ok(error.message.length > 0);
});

test("every role of the platform gets in", async () => {
  for (const role of [...Object.values(ROLE_OF), "chef", "restaurant_manager", "admin"]) {
    const application = Object.keys(ROLE_OF).find((name) => ROLE_OF[name] === role) ?? "kitchen_app";
    const member = await Member.connect(server, "roma", application, `u-${role}`, { changes: { role } });
    assert.ok(member.socket.connected, role);
  }
});
