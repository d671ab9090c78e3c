import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { checkBlock, toHex } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { expect, it } from 'vitest'
import { orderer } from '../src/orderer.ts'
import { CHANNEL, identities } from './network.ts'

const ROUNDS = 4

/** Runs a child for a while, then kills it. @returns What it had acknowledged: the ends of signatures. */
async function killed(folder: string, round: number): Promise<string[]> {
  const program = join(import.meta.dirname, 'solo-child.ts')
  const child = spawn(process.execPath, ['--conditions=@kumiko/source', program, folder, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const told: string[] = []
  const lines = createInterface({ input: child.stdout }).on('line', (line) => {
    if (told.push(line) === 20 + round * 7) child.kill('SIGKILL')
  })
  await new Promise((resolve) => lines.once('close', resolve))
  return told
}

it('loses nothing that it acknowledged, whenever its process is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-orderer-'))
  try {
    const acknowledged: string[] = []
    for (let round = 0; round < ROUNDS; round++) acknowledged.push(...(await killed(folder, round)))
    const node = orderer({ folder, signer: (await identities()).orderer })
    await node.start()
    const channel = must(node.channel(CHANNEL))
    const missing = new Set(acknowledged)
    const seen: string[] = []
    let previous = must(await channel.block(0n)).header
    const stop = AbortSignal.timeout(60_000)
    for await (const block of channel.blocks(1n, { signal: stop })) {
      expect(checkBlock(block, previous)).toBeUndefined()
      previous = block.header
      for (const bytes of block.data) seen.push(toHex(bytes).slice(-64))
      for (const each of seen) missing.delete(each)
      if (missing.size === 0 && channel.height === block.header.number + 1n) break
    }
    await node.stop()
    expect([...missing]).toEqual([])
    expect(new Set(seen).size).toBe(seen.length)
    expect(acknowledged.length).toBeGreaterThanOrEqual(20 * ROUNDS)
  } finally {
    await rm(folder, { recursive: true })
  }
})
