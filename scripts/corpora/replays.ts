import { randomUUID } from 'node:crypto'
import { memoryState } from '../../src/adapters/state-memory.ts'
import type { Claims } from '../../src/identity/claims.ts'
import { replay, type ReplayMode, type Sender } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { verifier } from '../../src/identity/token.ts'
import { testClock } from '../../test/support/clock.ts'
import { goodHeader, signed, trusting } from '../../test/support/tokens.ts'
import { tokenOf, type Forge } from './attacks.ts'

const anyone: Sender = { kind: 'anyone' }
const certificate = (id: string): Sender => ({ kind: 'certificate', id })

/** Two replicas that verify tokens of both issuers and take each token's name from one state. */
function replicas(forge: Forge, mode: ReplayMode, namesMax = 1000) {
  const clock = testClock(Date.now())
  const state = memoryState({ entriesMax: namesMax })
  const issuers = [trusting(forge.own, { issuer: forge.issuer }), trusting(forge.other, { issuer: forge.otherIssuer })]
  const { verify } = verifier({ issuers, audience: forge.audience, clock, cacheMax: 100 })
  const replica = () => replay({ state, time: steadyTime(clock), mode })
  const [first, second] = [replica(), replica()]
  const show = async (token: string, sender: Sender, take = first): Promise<boolean> => {
    const verified = await verify(token)
    return verified.ok && (await take(verified.token.claims, sender)).kind === 'taken'
  }
  return { clock, show, second, first }
}

/** Shows one token twice, in every way there is to do it. Gives the ways that worked. */
export async function replayed(forge: Forge): Promise<readonly string[]> {
  const { clock, show, second } = replicas(forge, 'strict')
  const token = tokenOf(forge)
  const through = (await show(token, anyone)) ? [] : ['the token did not pass at first']
  if (await show(token, anyone)) through.push('again, in the same replica')
  if (await show(token, anyone, second)) through.push('again, in another replica')
  if (await show(`${token}=`, anyone)) through.push('in another spelling')
  clock.advance(599_999)
  if (await show(token, anyone)) through.push('a millisecond before its end')
  clock.step(-3_600_000)
  if (await show(token, anyone)) through.push('after the clock was turned back')
  const bound = replicas(forge, 'bound')
  const tied = tokenOf(forge)
  await bound.show(tied, certificate('mine'))
  if (await bound.show(tied, certificate('another'), bound.second)) through.push('by another sender')
  return (await isOtherIssuers(forge)) ? through : [...through, 'the same name from another issuer was refused']
}

/** A name is its issuer's: another one may use it, too. */
async function isOtherIssuers(forge: Forge): Promise<boolean> {
  const { show } = replicas(forge, 'strict')
  const jti = randomUUID()
  const other = signed(forge.other, goodHeader(forge.other), { ...forge.claims(), iss: forge.otherIssuer, jti })
  return (await show(tokenOf(forge, { jti }), anyone)) && (await show(other, anyone))
}

const flood = 200_000

/** Fills the memory of names beyond its bound: none of those that were taken may be forgotten to make room. */
export async function flooded(forge: Forge): Promise<readonly string[]> {
  const namesMax = 10_000
  const { first } = replicas(forge, 'strict', namesMax)
  const claims = (n: number) => ({ issuer: forge.issuer, jti: `flood-${n}`, expMs: Date.now() + 600_000 }) as Claims
  let taken = 0
  for (let n = 0; n < flood; n += 1) if ((await first(claims(n), anyone)).kind === 'taken') taken += 1
  const again: string[] = []
  for (let n = 0; n < namesMax; n += 500) {
    if ((await first(claims(n), anyone)).kind === 'taken') again.push(`name ${n} after ${flood} others`)
  }
  const kept = taken <= namesMax && taken > namesMax / 2
  return kept ? again : [...again, `${taken} names were kept where ${namesMax} may be`]
}
