import type { Reporter, TestModule } from 'vitest/node'

/** Ends every run with one plain line: how many passed, failed and were skipped. */
export default class Closing implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
    const count = (state: string) => states.filter((one) => one === state).length
    const broken = modules.filter(isBroken).length
    const failed = count('failed') + broken + errors.length
    process.stdout.write(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped\n`)
  }
}

/** A file that failed although none of its tests did: it could not be read, or a hook failed. */
function isBroken(module: TestModule): boolean {
  const failed = [...module.children.allTests()].some((test) => test.result().state === 'failed')
  return module.state() === 'failed' && !failed
}
