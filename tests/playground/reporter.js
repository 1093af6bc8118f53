// One line per test, and the count last.

/** A reporter of node:test. */
export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const { type, data } of events) {
    if (data?.skip !== undefined) {
      if (type === 'test:pass') {
        skipped += 1;
        yield `skipped: ${data.name}: ${data.skip}\n`;
      }
      continue;
    }
    if (type === 'test:pass' && data.details.type !== 'suite') {
      passed += 1;
      yield `ok   ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
    } else if (type === 'test:fail' && data.details.type !== 'suite') {
      failed += 1;
      const { error } = data.details;
      yield `FAIL ${data.name}\n${error.cause?.stack ?? error.stack ?? error}\n`;
    } else if (type === 'test:stderr') {
      yield data.message;
    }
  }
  if (skipped > 0) yield `${skipped} tests could not run here\n`;
  yield `${passed} passed, ${failed} failed\n`;
}
