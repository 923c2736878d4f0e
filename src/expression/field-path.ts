/**
 * Makes the reader of one dotted path. It follows own properties of objects and whole-number places of lists, nothing else:
 * neither prototypes nor the length of a list can be reached. Gives `undefined` where the path ends early.
 */
export function fieldReader(path: string): (root: unknown) => unknown {
  const steps = path.split('.').map(stepTo)
  return (root) => {
    let value = root
    for (const step of steps) value = step(value)
    return value
  }
}

function stepTo(part: string): (value: unknown) => unknown {
  const inLists = /^\d+$/.test(part)
  return (value) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    return inLists || !Array.isArray(value) ? (value as Record<string, unknown>)[part] : undefined
  }
}
