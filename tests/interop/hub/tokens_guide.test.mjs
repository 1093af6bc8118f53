// The examples of docs/guides/tokens.md, run as they stand there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SECRET, start, TARGET } from "../support/servers.mjs";

const suites = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const guide = readFileSync(path.join(suites, "../../docs/guides/tokens.md"), "utf8");
const python = path.join(suites, ".venv/bin/python");
const skip = TARGET === "reference" && "the guide is the hub's";
const skipPython = skip || (process.env.INTEROP_PYTHON === "0" && "Python is left out");

let server;
let folder;
before(async () => {
  server = await start("hub");
  // Below the packages, so that the examples find them.
  const cache = path.join(suites, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(path.join(cache, "guide-"));
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

/** The blocks of one language, as one program. */
function blocks(language) {
  const found = [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code);
  assert.ok(found.length > 0, `the guide has no ${language}`);
  return found.join("\n");
}

/** Runs a program; gives its exit code and what it printed. */
async function run(command, name, code) {
  const file = path.join(folder, name);
  writeFileSync(file, code);
  const child = spawn(command, [file], { env: { ...process.env, JWT_SECRET: SECRET, HUB_URL: server.url } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const status = await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  clearTimeout(timer);
  return { status, lines: output.trim().split("\n").sort() };
}

test("the guide's Node program issues tokens that connect and publish", { skip }, async () => {
  const { status, lines } = await run(process.execPath, "tokens.mjs", blocks("js"));
  assert.deepEqual({ status, lines }, { status: 0, lines: ["published: 200", "the kitchen got order 42"] });
});

test("the guide's Python program issues tokens that publish", { skip: skipPython }, async () => {
  const { status, lines } = await run(python, "tokens.py", blocks("python"));
  assert.deepEqual({ status, lines }, { status: 0, lines: ["published: 200"] });
});

test("the guide's Node program is refused where the secret is another", { skip }, async () => {
  const other = blocks("js").replaceAll("process.env.JWT_SECRET", '"another-secret-that-is-longer-than-32-bytes"')
    .replace("console.log('refused:', error.data?.code, error.message)", "(console.log('refused:', error.data?.code), socket.disconnect())");
  const { lines } = await run(process.execPath, "other.mjs", other);
  assert.deepEqual(lines, ["refused: token_signature"]);
});

test("every token code of the reference is in the guide", () => {
  const errors = readFileSync(path.join(suites, "../../docs/reference/errors.md"), "utf8");
  const codes = [...errors.matchAll(/`(token_\w+|application_\w+)`/g)].map(([, code]) => code);
  // Nothing revokes a token yet.
  for (const code of codes.filter((code) => code !== "token_revoked")) assert.ok(guide.includes(`\`${code}\``), code);
});
