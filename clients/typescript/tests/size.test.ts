import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

const BYTES_MAX = 12_000;

/** What a page gets of `code`, minified, without what it has anyway. */
async function bundle(code: string): Promise<string> {
  const entry = fileURLToPath(new URL('entry.js', import.meta.url));
  const made = await rolldown({
    input: 'entry',
    external: ['socket.io-client', 'react'],
    plugins: [{
      name: 'entry',
      resolveId: (id) => (id === 'entry' ? entry : null),
      load: (id) => (id === entry ? code : null),
    }],
  });
  const { output } = await made.generate({ format: 'esm', minify: true });
  return output.map((one) => (one.type === 'chunk' ? one.code : '')).join('');
}

test('the client is small without socket.io-client, React hooks and all', async () => {
  const code = await bundle(`
    export * from '@foodtrack/websocket-client';
    export * from '@foodtrack/websocket-client/react';
  `);
  const bytes = gzipSync(code).length;
  console.log(`the client: ${bytes} bytes gzipped`);
  expect(bytes).toBeLessThan(BYTES_MAX);
  expect(code).not.toContain('zod');
});

test('a page pays for what it uses', async () => {
  const constant = await bundle(`
    import { EventType } from '@foodtrack/websocket-contract';
    console.log(EventType.OrderCreated);
  `);
  const schema = await bundle(`
    import { EventType } from '@foodtrack/websocket-contract';
    import { productPayload } from '@foodtrack/websocket-contract/schemas';
    console.log(EventType.OrderCreated);
  `);
  // A schema that is not used leaves nothing behind; nor do tables of errors in who only wants a name.
  expect(constant).not.toContain('payload_invalid');
  expect(schema.length).toBeLessThan(constant.length + 200);
});
