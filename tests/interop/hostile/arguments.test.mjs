import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander } from "../support/bystander.mjs";
import { leaveAll, Member } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";

let server;
let bystander;
let stranger;
before(async () => {
  server = await start("hub");
  bystander = await Bystander.connect(server);
  stranger = await Member.connect(server, "roma", "tenant_dashboard", "stranger");
});
after(async () => {
  leaveAll();
  await server.stop();
});

const EVENT = "notification:info";
const whole = (fields) => ({ type: EVENT, payload: { message: "m" }, ...fields });
const MALFORMED = ["message_malformed", "payload_invalid"];

const ARGUMENTS = [
  ["null", null, MALFORMED],
  ["a number", 7, MALFORMED],
  ["a string", "hello", MALFORMED],
  ["a list", [{ message: "m" }], MALFORMED],
  ["an empty object", {}, MALFORMED],
  ["bytes", Buffer.from("hello"), MALFORMED],
  ["bytes for a field", { message: Buffer.from("hello") }, MALFORMED],
  ["a payload that is null", whole({ payload: null }), MALFORMED],
  ["a payload that is a list", whole({ payload: [] }), MALFORMED],
  ["a tenant that is a number", whole({ tenantId: 7 }), ["message_malformed", "tenant_mismatch"]],
  ["another tenant", whole({ tenantId: "kyoto" }), ["tenant_mismatch"]],
  ["a tenant with a trick in it", whole({ tenantId: "roma:kyoto" }), ["message_malformed", "tenant_mismatch"]],
  ["a target that is a number", whole({ target: 7 }), ["message_malformed"]],
  ["a target with a hole", whole({ target: [null] }), ["message_malformed"]],
  ["a target of a thousand", whole({ target: Array(1000).fill("room:everything") }), ["message_malformed"]],
  ["a priority that is an object", whole({ priority: {} }), ["message_malformed"]],
  ["an id that is a list", whole({ id: [] }), ["message_malformed"]],
  ["a source that is null-like", whole({ source: "" }), ["source_forbidden", "message_malformed"]],
];
for (const [what, argument, codes] of ARGUMENTS) {
  test(`${what} is refused, and disturbs neither its sender's connection nor another`, async () => {
    const answer = await stranger.ask(EVENT, argument);
    assert.equal(answer.success, false, JSON.stringify(answer));
    assert.ok(codes.includes(answer.error.code), JSON.stringify(answer.error));
    assert.ok(stranger.socket.connected);
    await bystander.isUnaffected();
  });
}

test("a large payload within the limit is answered", async () => {
  const answer = await stranger.ask(EVENT, { message: "x".repeat(500_000) });
  assert.ok(answer.success === true || answer.error.code === "payload_too_large" || answer.error.code === "rate_limited", JSON.stringify(answer));
  await bystander.isUnaffected();
});

test("a refusal never repeats the payload", async () => {
  const secret = "a-card-number-4111111111111111";
  const answers = [
    await stranger.ask("order:created", { orderId: { secret } }),
    await stranger.ask(EVENT, whole({ priority: secret })),
    await stranger.ask(EVENT, { message: [secret] }),
  ];
  for (const answer of answers) {
    assert.equal(answer.success, false);
    assert.ok(!JSON.stringify(answer).includes(secret), JSON.stringify(answer));
  }
});

test("a thousand rooms are joined or refused, each with an answer", async () => {
  const hoarder = await Member.connect(server, "roma", "kitchen_app", "hoarder");
  const codes = new Map();
  for (let batch = 0; batch < 20; batch += 1) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => hoarder.ask("subscribe:order", `hoard-${batch * 50 + i}`)));
    for (const { success, error } of answers) {
      const code = success ? "joined" : error.code;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  const allowed = ["joined", "rooms_too_many", "rate_limited"];
  for (const code of codes.keys()) assert.ok(allowed.includes(code), code);
  assert.ok(codes.get("joined") > 0);
  assert.ok(hoarder.socket.connected);
  await bystander.isUnaffected();
});

test("a thousand unknown events are refused, each with an answer", async () => {
  const noisy = await Member.connect(server, "roma", "kitchen_app", "noisy");
  // A connection over its rate is read more slowly: the last answer takes its time.
  const ask = (_, i) => noisy.socket.timeout(30_000).emitWithAck(`made:up-${i}`, {});
  const answers = await Promise.all(Array.from({ length: 1000 }, ask));
  for (const { success, error } of answers) {
    assert.equal(success, false);
    assert.ok(["event_unknown", "rate_limited"].includes(error.code), error.code);
  }
  await bystander.isUnaffected();
});
