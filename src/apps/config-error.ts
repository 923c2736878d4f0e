/** Everything that is wrong with a configuration, one line each. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
  }
}

/** What was thrown while something of a configuration was opened, one line for each problem. */
export function problemLines(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.message.split('\n')
  const { code, path } = error as NodeJS.ErrnoException
  return [path === undefined ? String(error) : `${path}: cannot be read (${code ?? 'unknown error'}).`]
}
