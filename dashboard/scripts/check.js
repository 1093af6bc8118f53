// Builds the pages anew, elsewhere, and compares them with the committed ones, byte for byte.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDER = new URL('..', import.meta.url).pathname;
const COMMITTED = join(FOLDER, '../crates/server/dashboard');

const fresh = await mkdtemp(join(tmpdir(), 'foodtrack-dashboard-'));
try {
  const env = { ...process.env, DASHBOARD_BUILT: fresh };
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: FOLDER, env, stdio: 'inherit' });
  const names = new Set([...await readdir(fresh), ...await readdir(COMMITTED)]);
  const text = (folder, name) => readFile(join(folder, name)).catch(() => null);
  const others = [];
  for (const name of names) {
    const [made, kept] = await Promise.all([text(fresh, name), text(COMMITTED, name)]);
    if (!made || !kept || !made.equals(kept)) others.push(name);
  }
  if (others.length > 0) {
    console.error(`the committed pages are stale (${others.join(', ')}): cd dashboard && npm ci && npm run build`);
    process.exitCode = 1;
  } else {
    console.log(`the committed pages are what the sources give: ${names.size} files`);
  }
} finally {
  await rm(fresh, { recursive: true, force: true });
}
