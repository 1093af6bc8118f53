import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("hub")));
after(() => server.stop());

const POLL = "/socket.io/?EIO=4&transport=polling";

for (const port of [3000, 3001, 3002, 3003]) {
  test(`a browser at http://localhost:${port} may read and send credentials`, async () => {
    const origin = `http://localhost:${port}`;
    const response = await fetch(`${server.url}${POLL}`, { headers: { origin } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("access-control-allow-origin"), origin);
    assert.equal(response.headers.get("access-control-allow-credentials"), "true");
    await response.text();
  });
}

test("a browser elsewhere may not read", async () => {
  const response = await fetch(`${server.url}${POLL}`, { headers: { origin: "http://evil.example" } });
  const allowed = response.headers.get("access-control-allow-origin");
  assert.ok(allowed === null || allowed.startsWith("http://localhost:300"), `${allowed}`);
  await response.text();
});

test("a preflight for a post is granted to the applications", async () => {
  const response = await fetch(`${server.url}${POLL}`, {
    method: "OPTIONS",
    headers: {
      origin: "http://localhost:3000",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  });
  assert.ok(response.status === 200 || response.status === 204, `${response.status}`);
  assert.equal(response.headers.get("access-control-allow-origin"), "http://localhost:3000");
  assert.match(response.headers.get("access-control-allow-methods") ?? "", /POST/);
});
