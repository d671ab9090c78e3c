import { describe, expect, it } from 'vitest'
import { InStep } from './in-step.ts'

class Peer {
  height = 0n
  isShut = false

  isBehind(blockNumber: bigint): boolean {
    return !this.isShut && this.height <= blockNumber
  }
}

function network() {
  const peers = [new Peer(), new Peer()] as const
  const step = new InStep(() => peers)
  const told: string[] = []
  const take = async (at: 0 | 1): Promise<void> => {
    const number = peers[at].height++
    await step.taken(number)
    told.push(`${at} of ${number}`)
  }
  return { peers, told, take }
}

describe('InStep', () => {
  it('lets a peer tell of a block when the other has it', async () => {
    const { told, take } = network()
    const first = take(0)
    await new Promise(setImmediate)
    expect(told).toEqual([])
    await Promise.all([first, take(1)])
    expect(told.toSorted()).toEqual(['0 of 0', '1 of 0'])
  })

  it('waits for no peer that takes no blocks, nor for one that ceases to', async () => {
    const { peers, told, take } = network()
    peers[1].isShut = true
    await take(0)
    peers[1].isShut = false
    const next = take(0)
    peers[1].isShut = true
    await next
    expect(told).toEqual(['0 of 0', '0 of 1'])
  })

  it('does not wait for those that are further', async () => {
    const { peers, told, take } = network()
    peers[1].height = 9n
    await take(0)
    expect(told).toEqual(['0 of 0'])
  })
})
