import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/integration/**'],
    reporters: ['default', './test/support/reporter.ts'],
    // A bound for what hangs, not for what is slow: a busy machine takes many times longer than a quiet one.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
  },
})
