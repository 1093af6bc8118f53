// schemathesis makes requests of every kind from the hub's own description of its HTTP API, good and bad ones.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "../support/servers.mjs";
import { serviceToken, userToken } from "../support/token.mjs";

const PYTHON = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const skip =
  (process.env.INTEROP_PYTHON === "0" && "INTEROP_PYTHON=0") || (!existsSync(PYTHON) && `${PYTHON} is not there`);
// A payload has a schema of its own for each event, and a room's name a form: the description does not repeat these, so that
// a request may fit the description and be refused.
const EXCLUDED = "positive_data_acceptance";

// Without limits of rate: how quick this machine is decides otherwise which requests are answered with 429 and never looked at.
const UNLIMITED = {
  FOODTRACK__LIMITS__API_REQUESTS_PER_SECOND_PER_TENANT: "0",
  FOODTRACK__LIMITS__API_REQUESTS_PER_SECOND_PER_TOKEN: "0",
};

let server;
before(async () => {
  server = await start("hub", [], { env: UNLIMITED });
});
after(() => server.stop());

// What ends the server or the tenant's own tokens, as it promises: nothing could be asked after it. And what is done once a second for a
// tenant, which who asks more often is told with 503.
const LEFT_OUT = ["drainNode", "revoke", "erasePerson"];

async function examine(token, seed, leftOut = []) {
  const args = ["-m", "schemathesis.cli", "run", `${server.url}/api/v1/openapi.json`, "-H", `Authorization: Bearer ${token}`, "--checks", "all"];
  args.push("--exclude-checks", EXCLUDED, "--max-examples", "10", "--seed", `${seed}`, "--no-color");
  for (const operation of leftOut) args.push("--exclude-operation-id", operation);
  const child = spawn(PYTHON, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (said += data));
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, said };
}

test("whatever is asked of the API by its description, each answer is one that it describes", { skip }, async () => {
  const { code, said } = await examine(serviceToken("roma"), 1, LEFT_OUT);
  assert.match(said, /OpenAPI 3\.1|Open API 3\.1|3\.1\.0/, said);
  assert.equal(code, 0, said);
  assert.ok(server.alive(), server.log());
});

test("whoever may not ask is refused as the description says, whatever they ask", { skip }, async () => {
  const { code, said } = await examine(userToken("roma", "kitchen_app", "carl"), 2);
  assert.equal(code, 0, said);
});
