import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileCommandLog, readCommands } from '../../../src/adapters/command-log-file.ts'
import { ephemeralSigner } from '../../../src/adapters/signer-local.ts'
import type { Command } from '../../../src/control/command.ts'
import { engage, OrderRefused } from '../../../src/control/order.ts'
import type { TrustedKey } from '../../../src/control/signed.ts'
import { publicKeyOf } from '../../../src/evidence/signature.ts'

const signer = ephemeralSigner()
const trusted: readonly TrustedKey[] = [
  { kid: signer.kid, publicKey: publicKeyOf(signer.publicKey), use: 'deployment' },
]
const order = (tool: string) => (seq: number) =>
  engage(
    { kind: 'tool', target: tool, reason: 'r' },
    { id: `sw-${seq}`, seq, atMs: 1, issuedBy: { kind: 'operator', name: 'a' } },
  )

const fresh = () => mkdtemp(join(tmpdir(), 'control-'))

async function withThree(): Promise<{ directory: string; file: string }> {
  const directory = await fresh()
  await using log = disposable(await fileCommandLog({ directory, trusted }))
  await Promise.all(['a', 'b', 'c'].map((tool) => log.append(order(tool), signer)))
  return { directory, file: join(directory, 'commands.log') }
}

function disposable<T extends { close(): Promise<void> }>(log: T): T & AsyncDisposable {
  return Object.assign(log, { [Symbol.asyncDispose]: () => log.close() })
}

describe('the command log', () => {
  it('gives every command back after a restart, in the order in which they were asked for', async () => {
    const { directory } = await withThree()
    await using again = disposable(await fileCommandLog({ directory, trusted }))
    expect(again.replayed.map((each) => [each.seq, 'target' in each && each.target])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ])
    expect(await again.append(order('d'), signer)).toMatchObject({ seq: 3 })
  })

  it('has one writer', async () => {
    const { directory } = await withThree()
    await using _first = disposable(await fileCommandLog({ directory, trusted }))
    await expect(fileCommandLog({ directory, trusted })).rejects.toThrow(/held by process/)
    expect(await readCommands(directory, trusted)).toHaveLength(3)
  })

  it('sets an unfinished last line aside and goes on', async () => {
    const { directory, file } = await withThree()
    await appendFile(file, '{"action":"enga')
    await using log = disposable(await fileCommandLog({ directory, trusted }))
    expect(log).toMatchObject({ tornBytes: 15 })
    expect(log.replayed).toHaveLength(3)
    expect(await readFile(`${file}.torn`, 'utf8')).toBe('{"action":"enga')
    await log.append(order('d'), signer)
    expect(await readCommands(directory, trusted)).toHaveLength(4)
  })

  it.each([
    [
      'a changed line',
      (lines: string[]) => lines.with(1, (lines[1] as string).replace('"b"', '"x"')),
      /:2: no trusted key/,
    ],
    ['a missing line', (lines: string[]) => lines.toSpliced(1, 1), /:2: the command says it is number 2/],
    ['a repeated line', (lines: string[]) => [...lines, lines[0] as string], /:4: the command says it is number 0/],
    ['a foreign line', (lines: string[]) => [...lines, 'hello'], /:4: it is not a signed line/],
  ])('refuses %s and says where', async (_what, change, sentence) => {
    const { directory, file } = await withThree()
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    await writeFile(file, `${change(lines).join('\n')}\n`)
    await expect(fileCommandLog({ directory, trusted })).rejects.toThrow(sentence)
    await expect(readCommands(directory, trusted)).rejects.toThrow(sentence)
    await writeFile(file, `${lines.join('\n')}\n`)
    await using log = disposable(await fileCommandLog({ directory, trusted }))
    expect(log.replayed).toHaveLength(3)
  })

  it('writes nothing that its next start could not read', async () => {
    const directory = await fresh()
    await using log = disposable(await fileCommandLog({ directory, trusted }))
    const wrong: readonly [(seq: number) => Command, RegExp][] = [
      [
        (seq) => ({ ...order('a')(seq), issuedBy: { kind: 'detector', rule: 'r', version: 1, digest: 'd' } }),
        /key signed/,
      ],
      [(seq) => ({ ...order('a')(seq), reason: 'x'.repeat(513) }), /not a command/],
    ]
    for (const [make, why] of wrong) await expect(log.append(make, signer)).rejects.toThrow(why)
    await expect(log.append(order('a'), ephemeralSigner())).rejects.toThrow(OrderRefused)
    expect(await log.append(order('a'), signer)).toMatchObject({ seq: 0 })
    expect(await readCommands(directory, trusted)).toHaveLength(1)
  })

  it('refuses keys it was not told to trust', async () => {
    const { directory } = await withThree()
    await expect(fileCommandLog({ directory, trusted: [] })).rejects.toThrow(/no trusted key/)
  })
})
