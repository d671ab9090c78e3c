import { deepEqual, equal, ok } from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import type { DiscoveryProtocol } from '@kumiko/interface'
import type { Case } from '../case.ts'
import { askByDistance, contactOf, eventually, find, reach, renew, talk } from '../converse-nodes.ts'
import { type AnyNode, FAR, type ForeignNode, type ForeignNodeOptions } from '../foreign-node.ts'
import { startChainsafeNode, startEjsNode, startGoNode } from '../foreign-nodes.ts'
import { withoutGo } from '../go-build.ts'
import { type OurNode, startOurNode } from '../our-node.ts'
import { payload } from '../payload.ts'
import { type Several, startSeveral } from '../several.ts'

interface Kind {
  readonly name: 'go' | 'chainsafe' | 'ejs'
  readonly protocol: DiscoveryProtocol
  readonly start: (options?: ForeignNodeOptions) => Promise<ForeignNode>
}

/** How many fill a bucket, and an answer. */
const BUCKET_SIZE = 16

/** Requests of ours while two handshakes cross. */
const AT_ONCE = 10

/** Of the node that restarts. */
const KEY = '7d'.repeat(32)

const startGo: Kind['start'] = (options) => startGoNode({ ...options, pingMs: 300 })

const V4: readonly Kind[] = [
  { name: 'go', protocol: 'discv4', start: startGo },
  { name: 'ejs', protocol: 'discv4', start: startEjsNode },
]
const V5: readonly Kind[] = [
  { name: 'go', protocol: 'discv5', start: startGo },
  { name: 'chainsafe', protocol: 'discv5', start: startChainsafeNode },
]

/** Our discovery with that of others. */
export const discoveryCases: readonly Case[] = [...[...V4, ...V5].flatMap(casesWith), families(), sharedSocket()]

function casesWith(kind: Kind): Case[] {
  const cases: Case[] = [
    ...meetings(kind),
    ...(kind.name === 'ejs' ? [toldToEjs(kind)] : [records(kind), toldThem(kind)]),
    ...(kind.name === 'chainsafe' ? [] : fullAnswers(kind)),
    ...(kind.protocol === 'discv5' ? [...talks(kind), distances(kind), crossing(kind), ...restarts(kind)] : []),
  ]
  return kind.name === 'go' ? cases.map((each) => ({ ...each, prepare: withoutGo })) : cases
}

function meetings({ name, protocol, start }: Kind): Case[] {
  return [
    given(`kumiko → ${name}: ${protocol} ping${name === 'ejs' ? '' : ' and record'}`, async () => {
      await using ours = await startOurNode()
      await using theirs = await start()
      await reach(protocol, ours, theirs)
    }),
    given(`${name} → kumiko: ${protocol} ping${name === 'ejs' ? '' : ' and record'}`, async () => {
      await using ours = await startOurNode()
      await using theirs = await start()
      await reach(protocol, theirs, ours)
      await eventually('they are in our table', async () => (await ours.table(protocol)).includes(theirs.id))
    }),
    given(`kumiko → ${name}: ${protocol} lookup through one bootnode`, async () => {
      await using theirs = await start()
      await using ours = await startOurNode({ bootnodes: [await contactOf(protocol, theirs)] })
      await using third = await start()
      await find(protocol, ours, theirs, third)
    }),
  ]
}

function records({ name, protocol, start }: Kind): Case {
  return given(`kumiko ↔ ${name}: ${protocol} tells of new records`, async () => {
    await using ours = await startOurNode()
    await using theirs = await start()
    await renew(protocol, ours, theirs)
    await renew(protocol, theirs, ours)
  })
}

/** It has no lookups: it asks us, and we tell. */
function toldToEjs({ start }: Kind): Case {
  return given('ejs → kumiko: discv4 findnode tells of a third', async () => {
    await using ours = await startOurNode()
    await using theirs = await start()
    await using third = await start()
    await third.ping('discv4', ours.enode)
    await theirs.ping('discv4', ours.enode)
    await eventually('both are in our table', async () => (await ours.table('discv4')).length === 2)
    ok((await endpointsTold(theirs, ours)).has(new URL(third.enode).host))
  })
}

function toldThem({ name, protocol, start }: Kind): Case {
  return given(`${name} → kumiko: ${protocol} lookup through one bootnode`, async () => {
    await using ours = await startOurNode()
    await using theirs = await start({ bootnodes: [await contactOf(protocol, ours)] })
    await using third = await startOurNode()
    await find(protocol, theirs, ours, third)
  })
}

/** More nodes than one packet holds. A lookup of go-ethereum's would find them all by other ways, too: it is @ethereumjs/devp2p that just asks. */
function fullAnswers({ name, protocol, start }: Kind): Case[] {
  const asksThem = given(`kumiko → ${name}: ${protocol} an answer of several packets`, async () => {
    await using theirs = await start()
    await using _crowd = await startCrowd(protocol, theirs)
    await eventually('all are in the table', async () => (await theirs.table(protocol)).length >= BUCKET_SIZE, 20_000)
    await using ours = await startOurNode()
    await eventually('all are told', async () => (await ours.ask(protocol, theirs)).length === BUCKET_SIZE, 20_000)
  })
  const asksUs = given(`${name} → kumiko: ${protocol} an answer of several packets`, async () => {
    await using ours = await startOurNode()
    await using crowd = await startCrowd(protocol, ours)
    await eventually('all are in our table', async () => (await ours.table(protocol)).length >= BUCKET_SIZE, 20_000)
    await using theirs = await start()
    await theirs.ping(protocol, await contactOf(protocol, ours))
    const all = crowd.nodes.map(({ id }) => id).sort()
    if (protocol === 'discv5') deepEqual((await theirs.findNodes(ours.record ?? '', FAR)).sort(), all)
    else await eventually('all are told', async () => (await endpointsTold(theirs, ours)).size >= BUCKET_SIZE)
  })
  return [...(name === 'go' ? [asksThem] : []), ...(name === 'go' && protocol === 'discv4' ? [] : [asksUs])]
}

/** Where the nodes are that one answer told of; @ethereumjs/devp2p only. */
async function endpointsTold(asker: ForeignNode, told: AnyNode): Promise<ReadonlySet<string>> {
  const { endpoints } = await asker.command({ cmd: 'find-nodes', node: told.enode, target: told.id })
  return new Set(endpoints as string[])
}

function talks({ name, start }: Kind): Case[] {
  return [
    given(`kumiko → ${name}: discv5 TALKREQ`, async () => {
      await using ours = await startOurNode()
      await using theirs = await start()
      await talk(ours, theirs)
      if (name === 'go') equal(await ours.talk(theirs.record ?? '', 'unknown', '00'), '')
    }),
    given(`${name} → kumiko: discv5 TALKREQ`, async () => {
      await using ours = await startOurNode()
      await using theirs = await start()
      await talk(theirs, ours)
      equal(await theirs.talk(ours.record ?? '', 'unknown', '00'), '')
    }),
  ]
}

function distances({ name, start }: Kind): Case {
  return given(`kumiko ↔ ${name}: discv5 NODES at distances`, async () => {
    await using ours = await startOurNode()
    await using theirs = await start()
    await using third = await start()
    for (const told of [ours, theirs]) {
      await third.ping('discv5', told.record ?? '')
      await eventually('it is told', async () => (await told.table('discv5')).includes(third.id))
    }
    await askByDistance(theirs, ours, [third])
    await eventually('it is told of', async () => await holds(askByDistance(ours, theirs, [third])))
  })
}

/**
 * Both handshakes are under way at the same time. Ours is answered, and what waits behind it by go-ethereum; of theirs some are lost, as among
 * themselves: they keep one session only.
 */
function crossing({ name, start }: Kind): Case {
  return given(`kumiko ↔ ${name}: discv5 both speak at once`, async () => {
    await using ours = await startOurNode()
    await using theirs = await start()
    const theirPing = theirs.ping('discv5', ours.record ?? '').catch(() => {})
    const atOnce = name === 'go' ? AT_ONCE : 1
    await Promise.all([theirPing, ...Array.from({ length: atOnce }, () => ours.ping('discv5', theirs.record ?? ''))])
    await eventually('both are answered', async () => await holds(reachBoth([theirs, ours])))
  })
}

/** Who comes back has lost its session keys: whoever speaks first then, a new session is made. */
function restarts({ name, start }: Kind): Case[] {
  return (['we speak', 'they speak'] as const).flatMap((first) => [
    given(`kumiko ↔ ${name}: discv5 a new session after they restart, and ${first} first`, async () => {
      await using ours = await startOurNode()
      const before = await start({ key: KEY })
      await reach('discv5', ours, before)
      await before.close()
      await using after = await start({ key: KEY, port: portOf(before) })
      await reachBoth(first === 'we speak' ? [ours, after] : [after, ours])
    }),
    given(`kumiko ↔ ${name}: discv5 a new session after we restart, and ${first} first`, async () => {
      await using theirs = await start()
      const before = await startOurNode({ key: KEY })
      await reach('discv5', theirs, before)
      await before.host.stop()
      await using after = await startOurNode({ key: KEY, port: portOf(before) })
      await reachBoth(first === 'we speak' ? [after, theirs] : [theirs, after])
    }),
  ])
}

async function reachBoth([first, second]: readonly [AnyNode, AnyNode]): Promise<void> {
  await reach('discv5', first, second)
  await reach('discv5', second, first)
}

/** Both protocols, and what is neither, on one socket. */
function sharedSocket(): Case {
  return {
    name: 'kumiko ↔ go, ejs, chainsafe: both protocols and junk on one socket',
    prepare: withoutGo,
    run: async () => {
      await using ours = await startOurNode()
      await using go = await startGo()
      await using ejs = await startEjsNode()
      await using chainsafe = await startChainsafeNode()
      const junk = sendJunk(portOf(ours))
      for (let round = 0; round < 5; round++) {
        await Promise.all([
          reach('discv4', go, ours),
          reach('discv5', go, ours),
          reach('discv4', ejs, ours),
          reach('discv5', chainsafe, ours),
        ])
        await Promise.all([
          reach('discv4', ours, go),
          reach('discv5', ours, go),
          reach('discv4', ours, ejs),
          reach('discv5', ours, chainsafe),
        ])
      }
      const sent = await junk.stop()
      const { unclaimed, receiverErrors } = ours.udp.status()
      equal(receiverErrors, 0)
      ok(unclaimed > 0 && unclaimed <= sent, `${unclaimed} of ${sent} unclaimed`)
      return undefined
    },
  }
}

/** A node of ours in IPv6 alone, and one in both families, which go-ethereum would call by IPv4. */
function families(): Case {
  return {
    name: 'kumiko ↔ go: both protocols over IPv6, and IPv4 beside it',
    prepare: async () => (await withoutGo()) ?? (hasIPv6() ? undefined : 'the machine has no IPv6'),
    run: async () => {
      await using inIPv6 = await startOurNode({ hosts: ['::1'] })
      await using inBoth = await startOurNode({ hosts: ['127.0.0.1', '::1'] })
      await using goIPv4 = await startGoNode()
      await using goIPv6 = await startGoNode({ host: '::1' })
      for (const protocol of ['discv4', 'discv5'] as const) {
        await reach(protocol, inIPv6, goIPv6)
        await reach(protocol, goIPv6, inIPv6)
        await reach(protocol, inBoth, goIPv4)
        await reach(protocol, inBoth, goIPv6)
        await reach(protocol, goIPv4, inBoth)
      }
      return undefined
    },
  }
}

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))
}

/** Datagrams of any length, until it is stopped. */
function sendJunk(port: number): { stop(): Promise<number> } {
  const socket = createSocket('udp4')
  let sent = 0
  const timer = setInterval(() => {
    for (let size = sent % 7; size <= 1400; size += 93) {
      socket.send(payload(sent + 1, size), port, '127.0.0.1')
      sent++
    }
  }, 5)
  return {
    stop: async () => {
      clearInterval(timer)
      await new Promise<void>((resolve) => socket.close(resolve))
      return sent
    },
  }
}

/** Fills the table of a node with nodes of ours. */
async function startCrowd(protocol: DiscoveryProtocol, told: AnyNode): Promise<Several<OurNode>> {
  const crowd = await startSeveral(BUCKET_SIZE, () => startOurNode())
  const contact = await contactOf(protocol, told)
  for (const node of crowd.nodes) await node.ping(protocol, contact)
  return crowd
}

async function holds(check: Promise<void>): Promise<boolean> {
  return await check.then(
    () => true,
    () => false,
  )
}

function portOf({ enode }: AnyNode): number {
  const { port, searchParams } = new URL(enode)
  return Number(searchParams.get('discport') ?? port)
}

/** A case that is never skipped once it runs. */
function given(name: string, run: () => Promise<void>): Case {
  return {
    name,
    deadlineMs: 60_000,
    run: async () => {
      await run()
      return undefined
    },
  }
}
