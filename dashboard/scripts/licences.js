// The licences of what the pages are made of: their authors ask for a copy beside it.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Whose code is in `dashboard.js`. */
const PACKAGES = ['react', 'react-dom', 'scheduler', 'uplot'];

/** The text of all of them. */
export async function licences(folder) {
  const texts = await Promise.all(PACKAGES.map(async (name) => {
    const home = join(folder, 'node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
    const file = (await readdir(home)).find((one) => /^licen[cs]e/i.test(one));
    const text = file ? await readFile(join(home, file), 'utf8') : '';
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  }));
  return texts.join('\n\n');
}
