import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'tests',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Each file starts a hub of its own; two at once is what a small machine takes.
    maxWorkers: 2,
  },
});
