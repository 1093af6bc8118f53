// Three nodes behind a balancer that gives every request to the next of them. The balancers' configurations are those of deploy/, of
// which only addresses are replaced, and how many connections there may be.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BRISK, leaveAll, Member, publishOrder, publishOrders } from "../support/hub.mjs";
import { freePort, Programs } from "../support/programs.mjs";
import { start, TARGET } from "../support/servers.mjs";
import { next, until } from "../support/wait.mjs";

const PROGRAMS = {
  redis: process.env.REDIS_BIN ?? "/usr/bin/redis-server",
  nginx: process.env.NGINX_BIN ?? "/usr/sbin/nginx",
  haproxy: process.env.HAPROXY_BIN ?? "/usr/sbin/haproxy",
};
const missing = Object.values(PROGRAMS).find((program) => !existsSync(program));
const skip = (TARGET === "reference" && "a cluster is the hub's") || (missing !== undefined && `${missing} is not there: .ci/setup installs it`);

/** A file of deploy/ with addresses of this machine; each must be there once. */
function deployed(name, replacements) {
  const text = readFileSync(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), "utf8");
  return replacements.reduce((text, [what, by]) => {
    assert.equal(text.split(what).length, 2, `${name} has ${what} once`);
    return text.replace(what, by);
  }, text);
}

/** Waits until a node knows that there are two others. */
async function knowsTheOthers(hub) {
  for (let tries = 0; !(await metrics(hub)).includes("\nfoodtrack_cluster_nodes 3\n"); tries += 1) {
    assert.ok(tries < 500, "a node does not know the others");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const metrics = async (hub) => (await fetch(`${hub.url}/metrics`)).text();

const running = new Programs();
let folder;
let hubs = [];
const balancers = {};
before(async () => {
  if (skip) return;
  folder = mkdtempSync(path.join(tmpdir(), "no-sticky-sessions-"));
  const redis = await freePort();
  await running.start(PROGRAMS.redis, ["--bind", "127.0.0.1", "--port", `${redis}`, "--save", "", "--dir", folder], redis);
  // A node is reached by the others where it listens.
  const env = { ...BRISK, FOODTRACK__HOST: "127.0.0.1", REDIS_HOST: "127.0.0.1", REDIS_PORT: `${redis}`, FOODTRACK__SECURITY__TRUSTED_PROXIES: "127.0.0.1" };
  hubs = await Promise.all([0, 1, 2].map(() => start("hub", [], { env })));
  for (const hub of hubs) await knowsTheOthers(hub);
  const addresses = hubs.map((hub, at) => [`10.0.0.1${at + 1}:4001`, `127.0.0.1:${hub.port}`]);

  const nginx = await freePort();
  const site = deployed("nginx.conf", [...addresses, ["listen 80;", `listen 127.0.0.1:${nginx};`]]);
  writeFileSync(path.join(folder, "site.conf"), site);
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const main = [
    process.getuid() === 0 ? "user root;" : "",
    `daemon off;\nworker_processes 1;\nerror_log stderr warn;\npid ${folder}/nginx.pid;\nevents { worker_connections 512; }`,
    "http {\naccess_log off;",
    ...kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`),
    `include ${folder}/site.conf;\n}`,
  ];
  writeFileSync(path.join(folder, "nginx.conf"), main.join("\n"));
  await running.start(PROGRAMS.nginx, ["-e", "stderr", "-p", folder, "-c", path.join(folder, "nginx.conf")], nginx);
  balancers.nginx = { url: `http://127.0.0.1:${nginx}` };

  const haproxy = await freePort();
  writeFileSync(path.join(folder, "haproxy.cfg"), deployed("haproxy.cfg", [...addresses, ["bind :80", `bind 127.0.0.1:${haproxy}`], ["maxconn 20000", "maxconn 1000"]]));
  await running.start(PROGRAMS.haproxy, ["-db", "-f", path.join(folder, "haproxy.cfg")], haproxy);
  balancers.haproxy = { url: `http://127.0.0.1:${haproxy}` };
});
afterEach(leaveAll);
after(async () => {
  if (skip) return;
  await Promise.all(hubs.map((hub) => hub.stop()));
  await running.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** How often the nodes have passed something on, in all. */
async function passedOn(kind) {
  const pages = await Promise.all(hubs.map(metrics));
  return pages.reduce((sum, page) => sum + Number(new RegExp(`^foodtrack_passed_on_total\\{kind="${kind}"\\} (\\d+)`, "m").exec(page)[1]), 0);
}

/** A page of numbers is so old at most. */
const PAGE_AGE_MS = 1_100;
let counted = [0, 0];

for (const balancer of ["nginx", "haproxy"]) {
  test(`through ${balancer}, clients that poll get every event once, and are answered`, { skip }, async () => {
    const tenant = `polls-${balancer}`;
    const chefs = await Promise.all(
      [0, 1, 2, 3, 4].map((n) => Member.connect(balancers[balancer], tenant, "kitchen_app", `cook-${n}`, { transports: ["polling"] })),
    );
    const ids = [];
    for (const hub of [...hubs, ...hubs]) ids.push(...(await publishOrders(hub, tenant, 2)));
    for (const chef of chefs) {
      assert.deepEqual(await chef.ids("order:created", ids.at(-1)), ids);
      assert.equal((await chef.ask("health_check")).success, true);
    }
  });

  test(`through ${balancer}, clients change to a WebSocket wherever that comes to`, { skip }, async () => {
    const tenant = `upgrades-${balancer}`;
    const chefs = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((n) => Member.connect(balancers[balancer], tenant, "kitchen_app", `cook-${n}`, { transports: ["polling", "websocket"] })),
    );
    for (const { socket } of chefs) {
      const { engine } = socket.io;
      if (engine.transport.name === "polling") await next(engine, "upgrade");
      assert.equal(engine.transport.name, "websocket");
    }
    const ids = await publishOrders(hubs[0], tenant, 5);
    for (const chef of chefs) {
      assert.deepEqual(await chef.ids("order:created", ids.at(-1)), ids);
      assert.equal((await chef.ask("health_check")).success, true);
    }
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`through ${balancer} by ${transports.join(", then ")}, who comes back is who they were, and missed nothing`, { skip }, async () => {
      const tenant = `back-${balancer}-${transports.length}-${transports[0]}`;
      const chef = await Member.connect(balancers[balancer], tenant, "kitchen_app", "carl", { transports });
      const first = await publishOrder(hubs[0], tenant);
      assert.equal((await chef.hears("order:created")).id, first);
      for (let round = 0; round < 4; round += 1) {
        await chef.cut();
        const ids = await publishOrders(hubs[round % hubs.length], tenant, 3);
        await chef.comesBack();
        assert.equal(chef.socket.recovered, true);
        assert.deepEqual(await chef.ids("order:created", ids.at(-1)), ids);
      }
      assert.equal(chef.inbox.all.filter(({ event }) => event === "order:created").length, 13);
    });
  }

  test(`through ${balancer}, requests and WebSockets came to other nodes than their sessions'`, { skip }, async () => {
    await new Promise((resolve) => setTimeout(resolve, PAGE_AGE_MS));
    const now = [await passedOn("request"), await passedOn("socket")];
    assert.ok(now[0] > counted[0] && now[1] > counted[1], `${counted}, then ${now}`);
    counted = now;
  });
}

test("a session id that was made up makes no node ask another", { skip }, async () => {
  for (const sid of ["AAAAAAAAAAAAAAAAAAAA", "0123456789abcdefghij"]) {
    const answer = await fetch(`${balancers.nginx.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assert.equal(answer.status, 400);
    assert.deepEqual(await answer.json(), { code: 1, message: "Session ID unknown" });
  }
  await new Promise((resolve) => setTimeout(resolve, PAGE_AGE_MS));
  assert.equal(await passedOn("request"), counted[0]);
});

test("a node that ends costs those whose session it had a connection, and no event", { skip }, async () => {
  const tenant = "node-ends";
  const chefs = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((n) =>
      Member.connect(balancers.haproxy, tenant, "kitchen_app", `cook-${n}`, {
        transports: n % 2 ? ["polling"] : ["polling", "websocket"],
        reconnection: true,
        reconnectionDelay: 50,
        reconnectionDelayMax: 200,
      }),
    ),
  );
  const ids = await publishOrders(hubs[0], tenant, 2);
  await hubs[2].kill();
  ids.push(...(await publishOrders(hubs[1], tenant, 3)));
  for (const chef of chefs) {
    const heard = () => chef.inbox.all.filter(({ event }) => event === "order:created").map(({ message }) => message.id);
    await until(() => heard().length >= ids.length, `what cook ${chef.user} missed`, 15_000);
    assert.deepEqual(heard(), ids);
  }
});
