import { expect, it } from 'vitest'
import { retryBudget, savedMax } from '../../../src/limits/retry-budget.ts'

it('pays for one retry in ten first attempts, beside what a quiet time has saved up', () => {
  const budget = retryBudget()
  let retries = 0
  for (let call = 0; call < 10_000; call += 1) {
    budget.earn()
    if (budget.spend()) retries += 1
    if (budget.spend()) retries += 1
  }
  expect(retries).toBeLessThanOrEqual(1_000 + savedMax)
  expect(retries).toBeGreaterThanOrEqual(1_000)
})
