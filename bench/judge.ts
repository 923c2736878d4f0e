import { argsOf, isDenied, personal } from './lookup.ts'

/** Says what is wrong with the answer to the n-th call, if anything is. */
export type Judge = (ordinal: number, answer: string) => string | undefined

/** A stock server answers every call with what was looked up. */
export const judgeStock: Judge = (ordinal, answer) =>
  answers(ordinal, answer) && answer.includes(personal) ? undefined : shown(ordinal, answer)

/** The gateway refuses what policy refuses, and lets nothing personal through. */
export const judgeGoverned: Judge = (ordinal, answer) => {
  const right = isDenied(ordinal)
    ? answer.includes('"code":"policy_denied"') && answer.includes(`"id":${ordinal}`)
    : answers(ordinal, answer) && !answer.includes(personal)
  return right ? undefined : shown(ordinal, answer)
}

function answers(ordinal: number, answer: string): boolean {
  return (
    answer.includes(`"id":${ordinal}`) &&
    answer.includes(`"order":"${argsOf(ordinal).order}"`) &&
    !answer.includes('"isError":true')
  )
}

function shown(ordinal: number, answer: string): string {
  return `call ${ordinal} was answered with ${answer.slice(0, 500)}`
}
