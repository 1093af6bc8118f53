// Says what fails and why, and counts: the runner adds the counts up.

export default async function* reporter(events) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const slow = process.env.INTEROP_SLOW_MS ? Number(process.env.INTEROP_SLOW_MS) : Infinity;
  for await (const { type, data } of events) {
    if (type === "test:stderr" || type === "test:stdout") {
      yield data.message;
    } else if (data?.skip && type === "test:pass") {
      skipped += 1;
      yield `skipped: ${data.name}: ${data.skip}\n`;
    } else if (data?.todo && type === "test:fail") {
      yield `OPEN ${data.name}: ${data.todo}\n`;
    } else if (type === "test:pass" && data.details.type !== "suite") {
      passed += 1;
      if (data.details.duration_ms > slow) yield `slow: ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
    } else if (type === "test:fail" && data.details.type !== "suite") {
      failed += 1;
      const cause = data.details.error?.cause ?? data.details.error;
      yield `FAILED ${data.name}\n  ${data.file ?? ""}:${data.line ?? ""}\n`;
      yield `  ${String(cause?.stack ?? cause).replaceAll("\n", "\n  ")}\n`;
    }
  }
  if (skipped > 0) yield `${skipped} tests could not run here\n`;
  yield `node: ${passed} passed, ${failed} failed\n`;
}
