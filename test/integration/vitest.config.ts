import { defineConfig } from 'vitest/config'

/** Suites that run real programs, fetched by npm at exact versions. `npm run test:integration` runs them. */
// oxlint-disable-next-line import/no-default-export
export default defineConfig({
  test: {
    include: ['test/integration/*.test.ts'],
    reporters: ['default'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    fileParallelism: false,
  },
})
