import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { decodeRlp, fromHex, parseNode, toHex } from '@kumiko/identity'
import { describe, expect, test } from 'vitest'
import type { Chain } from './chain.ts'
import { encodeForkId, readForkId } from './fork-id.ts'
import { ForkIds } from './fork-ids.ts'
import { type NetworkName, networks } from './networks.ts'

interface NetworkVector {
  readonly chainId: number
  readonly genesisHash: string
  readonly genesisTime: number
  readonly forks: Readonly<Record<string, number>>
}

interface NetworksFile {
  readonly networks: Readonly<Record<NetworkName, NetworkVector>>
  readonly bootnodes: Readonly<Record<NetworkName, readonly string[]>>
  readonly bootnodesV5: readonly string[]
  readonly dns: Readonly<Record<NetworkName, string>>
}

interface CreationVector {
  readonly head: number
  readonly time: number
  readonly hash: string
  readonly next: string
  readonly note: string
}

interface ValidationVector {
  readonly config: string
  readonly head: number
  readonly time: number
  readonly remoteHash: string | null
  readonly remoteHashExpr: string | null
  readonly remoteNext: string
  readonly error: string | null
  readonly note: string
}

interface ForkIdFile {
  readonly networks: Readonly<Record<NetworkName, NetworkVector>>
  readonly creation: Readonly<Record<NetworkName, readonly CreationVector[]>>
  readonly validation: readonly ValidationVector[]
  readonly rlp: readonly { readonly hash: string; readonly next: string; readonly rlp: string }[]
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))
}

const forkid = read('forkid.json') as ForkIdFile
const published = read('networks.json') as NetworksFile
const names = Object.keys(networks) as NetworkName[]

const hashOf = (hex: string): number => Number.parseInt(hex, 16)

describe('networks are as published', () => {
  test('all of them', () => {
    expect([...names].sort()).toEqual(Object.keys(published.networks).sort())
  })

  test.each(names)('%s', (name) => {
    const { forks, bootnodes, bootnodesV5, dnsTrees, ...chain } = networks[name]
    const { forks: wanted, ...wantedChain } = published.networks[name]
    expect(chain).toEqual({ name, ...wantedChain })
    const own = forks.map((fork) => ('block' in fork ? [`${fork.name}Block`, fork.block] : [`${fork.name}Time`, fork.time]))
    expect(own).toEqual(Object.entries(wanted).filter(([, at]) => at > 0))
    expect({ bootnodes, bootnodesV5, dnsTrees }).toEqual({
      bootnodes: published.bootnodes[name],
      bootnodesV5: published.bootnodesV5,
      dnsTrees: [published.dns[name]],
    })
    for (const bootnode of [...bootnodes, ...bootnodesV5]) expect(parseNode(bootnode).endpoints[0]?.udp).toBeGreaterThan(0)
  })
})

describe.each(names)('fork ids of %s', (name) => {
  const ids = new ForkIds(networks[name])
  test.each(forkid.creation[name])('$head $time: $note', ({ head: block, time, hash, next }) => {
    const id = ids.at({ block, time })
    expect(id).toEqual({ hash: hashOf(hash), next: BigInt(next) })
    expect(ids.check(id, { block, time })).toBeUndefined()
  })
})

describe('fork ids of remotes', () => {
  const blocksOnly: Chain = { ...networks.mainnet, forks: networks.mainnet.forks.filter((fork) => 'block' in fork) }
  const fault: Readonly<Record<string, string>> = {
    ErrRemoteStale: 'eth/stale-fork-id',
    ErrLocalIncompatibleOrStale: 'eth/foreign-fork-id',
  }

  /** A hash, or "crc32 update of 0x… with uint64 0xff…". */
  function remoteHash({ remoteHash, remoteHashExpr }: ValidationVector): number {
    if (remoteHash !== null) return hashOf(remoteHash)
    const [, before, added] = /of 0x([0-9a-f]{8}) with uint64 0x([0-9a-f]{16})/.exec(remoteHashExpr ?? '') ?? expect.unreachable()
    return crc32(fromHex(added ?? '') ?? expect.unreachable(), hashOf(before ?? ''))
  }

  test.each(forkid.validation)('$config $head $time: $note', (vector) => {
    const ids = new ForkIds(vector.config === 'mainnet' ? networks.mainnet : blocksOnly)
    const remote = { hash: remoteHash(vector), next: BigInt(vector.remoteNext) }
    const found = ids.check(remote, { block: vector.head, time: vector.time })
    expect(found?.fault ?? null).toBe(vector.error === null ? null : fault[vector.error])
  })
})

test.each(forkid.rlp)('RLP of $hash, $next', ({ hash, next, rlp }) => {
  const id = { hash: hashOf(hash), next: BigInt(next) }
  expect(toHex(encodeForkId(id))).toBe(rlp)
  expect(readForkId(decodeRlp(fromHex(rlp) ?? expect.unreachable()))).toEqual(id)
})

test('there are as many vectors as there should be', () => {
  expect(names.map((name) => forkid.creation[name].length)).toEqual([38, 16, 10, 14])
  expect([forkid.validation.length, forkid.rlp.length]).toEqual([45, 3])
})
