import { otherName } from './names.ts'

/** Bounds a label: the first `max` distinct names pass as they are, later ones become `_OTHER`, so callers cannot make series. */
export function folded(max: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= max) return otherName
    known.add(name)
    return name
  }
}
