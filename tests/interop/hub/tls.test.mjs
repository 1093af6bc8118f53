// A hub that speaks TLS, with a certificate of an authority of the test's own: unmodified clients over https and wss, alone and
// behind a balancer that passes connections on (deploy/haproxy-tls-passthrough.cfg, of which only addresses are replaced).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { VERSIONS, WAYS } from "../support/clients.mjs";
import { BRISK, leaveAll, Member } from "../support/hub.mjs";
import { freePort, Programs } from "../support/programs.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { next } from "../support/wait.mjs";

const HAPROXY = process.env.HAPROXY_BIN ?? "/usr/sbin/haproxy";
const skip = TARGET === "reference" && "TLS is the hub's";
const noHaproxy = skip || (!existsSync(HAPROXY) && `${HAPROXY} is not there: .ci/setup installs it`);

const running = new Programs();
let folder;
let hub;
let behind;
let balancer;
let ca;

const file = (name) => path.join(folder, name);

/** An authority, and a certificate of it for `localhost` and 127.0.0.1. */
function makeCertificates() {
  writeFileSync(
    file("openssl.cnf"),
    "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = test\n[authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n" +
      "[leaf]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1, DNS:localhost\n",
  );
  const made = "req -x509 -config openssl.cnf -newkey ec -nodes -days 30 -pkeyopt ec_paramgen_curve:prime256v1";
  for (const rest of [
    "-extensions authority -subj /CN=authority -keyout ca.key -out ca.pem",
    "-extensions leaf -subj /CN=hub -CA ca.pem -CAkey ca.key -keyout hub.key -out hub.pem",
  ]) {
    execFileSync("openssl", `${made} ${rest}`.split(" "), { cwd: folder, stdio: "ignore" });
  }
}

before(async () => {
  if (skip) return;
  folder = mkdtempSync(path.join(tmpdir(), "tls-"));
  makeCertificates();
  ca = readFileSync(file("ca.pem"));
  const env = { ...BRISK, FOODTRACK__HOST: "127.0.0.1", TLS_CERT_FILE: file("hub.pem"), TLS_KEY_FILE: file("hub.key") };
  const encrypted = async (more) => {
    const server = await start("hub", [], { env: { ...env, ...more } });
    return Object.assign(server, { url: `https://127.0.0.1:${server.port}` });
  };
  hub = await encrypted({});
  if (noHaproxy) return;
  const named = { FOODTRACK__SECURITY__TRUSTED_PROXIES: "127.0.0.1", FOODTRACK__SECURITY__PROXY_PROTOCOL: "true" };
  behind = await encrypted({ ...named, FOODTRACK__SECURITY__RATE_LIMITING__HANDSHAKES_PER_MINUTE: "100", RUST_LOG: "info" });
  const port = await freePort();
  const replacements = [
    ["bind :443", `bind 127.0.0.1:${port}`],
    ["maxconn 20000", "maxconn 1000"],
    ["/etc/haproxy/hub-ca.pem", file("ca.pem")],
    ["verifyhost hub.example", "verifyhost localhost"],
    ["    server hub2 10.0.0.12:4001\n", ""],
    ["    server hub3 10.0.0.13:4001\n", ""],
    ["10.0.0.11:4001", `127.0.0.1:${behind.port}`],
  ];
  const text = readFileSync(fileURLToPath(new URL("../../../deploy/haproxy-tls-passthrough.cfg", import.meta.url)), "utf8");
  const config = replacements.reduce((text, [what, by]) => {
    assert.equal(text.split(what).length, 2, `haproxy-tls-passthrough.cfg has ${what} once`);
    return text.replace(what, by);
  }, text);
  writeFileSync(file("haproxy.cfg"), config);
  await running.start(HAPROXY, ["-db", "-f", file("haproxy.cfg")], port);
  balancer = { url: `https://127.0.0.1:${port}` };
});
afterEach(leaveAll);
after(async () => {
  if (skip) return;
  await hub.stop();
  await behind?.stop();
  await running.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The body of an answer over TLS. */
async function text(server, target) {
  const request = get(`${server.url}${target}`, { agent: new Agent({ ca }) });
  const [response] = await next(request, "response");
  response.setEncoding("utf8");
  let body = "";
  for await (const part of response) body += part;
  return body;
}

for (const [version, io] of VERSIONS) {
  for (const [way, transports] of WAYS) {
    test(`socket.io-client ${version} connects over TLS and ${way}, and believes the authority it is given alone`, { skip }, async () => {
      const chef = await Member.connect(hub, "roma", "kitchen_app", "kenji", { io, transports, ca });
      assert.equal((await chef.ask("health_check")).success, true);
      await assert.rejects(Member.connect(hub, "roma", "kitchen_app", "kenji", { io, transports }), /refused/);
    });
  }
}

test("a client changes from polling to a WebSocket over TLS and gets what is sent meanwhile", { skip }, async () => {
  const chef = await Member.connect(hub, "roma", "kitchen_app", "kenji", { transports: ["polling", "websocket"], ca });
  const { engine } = chef.socket.io;
  if (engine.transport.name === "polling") await next(engine, "upgrade");
  assert.equal(engine.transport.name, "websocket");
  assert.equal((await chef.ask("health_check")).success, true);
  assert.match(await text(hub, "/metrics"), /^foodtrack_certificate_remaining_seconds 25[0-9]{5}$/m);
});

test("behind a balancer that passes connections on, the PROXY protocol names the client", { skip: noHaproxy }, async () => {
  for (const transports of [["websocket"], ["polling"]]) {
    const chef = await Member.connect(balancer, "roma", "kitchen_app", "kenji", { transports, ca });
    assert.equal((await chef.ask("health_check")).success, true);
  }
  // Without a header nobody comes in at the balancer's address.
  await assert.rejects(Member.connect(behind, "roma", "kitchen_app", "kenji", { transports: ["websocket"], ca }), /refused/);
  const counted = /^foodtrack_refused_requests_total\{code="proxy_header_malformed"\} [1-9]/m;
  // A page of numbers may be a second old.
  for (let tries = 0; !counted.test(await text(balancer, "/metrics")); tries += 1) {
    assert.ok(tries < 100, "it is not counted");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
