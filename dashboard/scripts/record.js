// Writes down what the pages were made of: `cargo xtask tidy` compares it with the tree, without Node.
//   built-from.txt: a line for each file, the hash that git gives its content, and its path from the root
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { licences } from './licences.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const SOURCES = join(ROOT, 'dashboard');
const BUILT = process.env.DASHBOARD_BUILT ?? join(ROOT, 'crates/server/dashboard');
const RECORD = 'built-from.txt';

await writeFile(join(BUILT, 'licences.txt'), await licences(SOURCES));

async function files(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const inside = entries.filter((one) => one.name !== 'node_modules' && one.name !== RECORD && !one.name.endsWith('.md'));
  return (await Promise.all(inside.map((one) => (one.isDirectory() ? files(join(folder, one.name)) : join(folder, one.name))))).flat();
}

async function line(path, from, to) {
  const content = await readFile(path);
  const hash = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  return `${hash} ${to}/${relative(from, path)}`;
}

const lines = await Promise.all([
  ...(await files(SOURCES)).map((path) => line(path, SOURCES, 'dashboard')),
  ...(await files(BUILT)).map((path) => line(path, BUILT, 'crates/server/dashboard')),
]);
const byPath = (a, b) => (a.slice(41) < b.slice(41) ? -1 : 1);
await writeFile(join(BUILT, RECORD), `${lines.sort(byPath).join('\n')}\n`);
