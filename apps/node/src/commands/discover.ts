import { resolve } from 'node:path'
import { enodeOf, enrTextOf, fromHex, parseNode } from '@kumiko/identity'
import { KumikoError, type NodeId, type NodeRecord, sleep, systemClock } from '@kumiko/interface'
import { aborted, stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { addConfigFlags, configSources } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import { located } from '../discover/located.ts'
import type { Probe } from '../discover/probe.ts'
import type { Output } from '../output.ts'
import { ProgressLine } from '../progress-line.ts'
import { argumentText, positiveNumber, wholeNumber } from './arguments.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

/** Keys of the configuration that these commands heed. */
const KEYS: readonly string[] = ['discAddr', 'discoveryV4', 'discoveryV5', 'network', 'bootnodes', 'netRestrict']

const HELPS: Readonly<Record<string, string>> = {
  discAddr: 'ask from here, by UDP; default: a free port, by IPv4 and IPv6',
  network: 'whose bootnodes to begin with: none, mainnet, sepolia, hoodi, holesky; default: none',
  bootnodes: 'where to begin',
  netRestrict: 'ask in these IP networks only; default: all',
}

/** `kumiko discover …`. */
export function addDiscoverCommand(program: Command): void {
  const discover = program.command('discover').description('Ask the networks of discv4 and discv5: pings, lookups, crawls.')
  addPing(discover)
  addResolve(discover)
  addLookup(discover)
  addRandom(discover)
  addListen(discover)
  addCrawl(discover)
  examples(discover, ['kumiko discover ping enr:…', 'kumiko discover crawl nodes.json --bootnodes enode://…@127.0.0.1:0?discport=30301'])
}

/** What a command does with its probe. */
interface Work {
  readonly probe: Probe
  readonly output: Output
  readonly signal: AbortSignal
  readonly isFoundOut: () => void
}

/**
 * Runs a command with a probe of its own, on a port that is free unless one is named.
 *
 * @param hasEntry - It needs no bootnode: it asks a node that is named, say.
 */
async function withProbe(self: Command, hasEntry: boolean, work: (work: Work) => Promise<void>): Promise<void> {
  const { config, origins } = await loadConfig(configSources(self, process.env))
  const { startProbe } = await import('../discover/probe.ts')
  const output = outputOf(self)
  using stop = stopSignal(output.closed)
  const isPortNamed = origins.get('discAddr') !== 'default'
  await using probe = await startProbe({ ...config, discAddr: isPortNamed ? config.discAddr : { ip: '::', port: 0 } })
  if (!hasEntry && probe.bootnodes.length + probe.bootnodesV5.length === 0)
    throw new KumikoError('node/no-entry', 'nowhere to begin: name --bootnodes or a --network')
  let isFound = false
  try {
    await work({ probe, output, signal: stop.signal, isFoundOut: () => (isFound = true) })
  } catch (error) {
    // What was asked for is ended by the signal.
    if (!stop.signal.aborted) throw error
  }
  if (!isFound && !stop.signal.aborted) throw new KumikoError('node/no-answer', 'nobody answered: is the network up, and UDP let through?')
}

const SETTLE_MAX_MS = 5_000

/** Waits until the probe has had a first look around: a lookup begins at what is known. */
async function settled({ v4, v5 }: Probe, signal: AbortSignal): Promise<void> {
  const lateAt = systemClock.now() + SETTLE_MAX_MS
  const isReady = (): boolean => [v4, v5].every((part) => part?.status().isReady !== false)
  while (!isReady() && !signal.aborted && systemClock.now() < lateAt) await sleep(systemClock, 20, signal).catch(() => {})
}

function command(discover: Command, name: string): Command {
  return addConfigFlags(discover.command(name), KEYS, HELPS)
}

function addPing(discover: Command): void {
  const ping = command(discover, 'ping')
    .description('Ping a node by each protocol. Exit code 1 if it answers by none.')
    .argument('<node>', 'an ENR or an enode URL; - for stdin')
    .option('--count <n>', 'pings by each protocol', wholeNumber(1, 10_000), 1)
    .action(async (text: string, { count }: { count: number }, self: Command) => {
      const node = await located(parseNode(await argumentText(text)))
      await withProbe(self, true, async ({ probe, output, signal, isFoundOut }) => {
        for (let i = 0; i < count && !signal.aborted; i++) {
          if (i > 0) await sleep(systemClock, 1_000, signal).catch(() => {})
          for (const part of [probe.v4, probe.v5]) {
            const pong = await part?.ping(node, { signal })
            if (part === undefined) continue
            if (pong !== undefined) isFoundOut()
            const { rttMs, endpoint, enrSeq } = pong ?? {}
            if (output.isJson)
              output.json({
                protocol: part.name,
                nodeId: node.nodeId,
                isAlive: pong !== undefined,
                rttMs,
                enrSeq: enrSeq?.toString(),
                seenAt: endpoint,
              })
            else if (pong === undefined) output.line(`${part.name}  no answer`)
            else
              output.line(
                `${part.name}  ${pong.rttMs.toFixed(1)} ms, record ${pong.enrSeq ?? 'none'}, sees us at ${pong.endpoint.ip}:${pong.endpoint.udp}`,
              )
          }
        }
      })
    })
  examples(ping, ['kumiko discover ping enode://…@127.0.0.1:30303', 'kumiko discover ping enr:… --discovery-v4 false --count 10 --json'])
}

function addResolve(discover: Command): void {
  const command_ = command(discover, 'resolve')
    .description("A node's newest record, from itself or, where it has moved, by a lookup.")
    .argument('<node>', 'an ENR or an enode URL; - for stdin')
    .action(async (text: string, _flags: unknown, self: Command) => {
      const node = await located(parseNode(await argumentText(text)))
      await withProbe(self, true, async ({ probe, output, signal, isFoundOut }) => {
        await settled(probe, signal)
        const answers = await Promise.all([probe.v4?.resolve(node, { signal }), probe.v5?.resolve(node, { signal })])
        const newest = answers.reduce<NodeRecord>((best, each) => (each !== undefined && each.seq > best.seq ? each : best), node)
        const isAlive = (await Promise.all([probe.v4?.ping(newest, { signal }), probe.v5?.ping(newest, { signal })])).some(
          (pong) => pong !== undefined,
        )
        if (isAlive) isFoundOut()
        tellNode(newest, output)
      })
    })
  examples(command_, [
    'kumiko discover resolve enr:… --bootnodes enode://…@127.0.0.1:30303',
    'kumiko discover resolve enode://…@127.0.0.1:30303 --json',
  ])
}

function addLookup(discover: Command): void {
  const lookup = command(discover, 'lookup')
    .description('The nodes nearest to a target, nearest first, by each protocol.')
    .argument('<target>', 'a node (ENR, enode URL), or for discv5 also a node id of 64 hex digits')
    .action(async (text: string, _flags: unknown, self: Command) => {
      const target = readTarget(await argumentText(text))
      await withProbe(self, false, async (work) => {
        const { probe, output, signal } = work
        const { v4, v5 } = probe
        await settled(probe, signal)
        const lookups = [
          ...(v4 === undefined || target.publicKey === undefined ? [] : [{ part: v4, found: v4.lookup(target.publicKey, { signal }) }]),
          ...(v5 === undefined ? [] : [{ part: v5, found: v5.lookup(target.nodeId, { signal }) }]),
        ]
        for (const { part, found } of lookups) {
          const nodes = await found
          if (!output.isJson) output.line(`${part.name}: ${nodes.length} nodes`)
          for (const node of nodes) {
            work.isFoundOut()
            tellNode(node, output, part.name)
          }
        }
      })
    })
  examples(lookup, ['kumiko discover lookup enr:… --network sepolia', `kumiko discover lookup ${'00'.repeat(32)} --bootnodes enr:… --json`])
}

function readTarget(text: string): { readonly nodeId: NodeId; readonly publicKey?: Uint8Array } {
  const id = text.toLowerCase().replace(/^0x/, '')
  if (id.length === 64 && fromHex(id) !== undefined) return { nodeId: id }
  return parseNode(text)
}

function addRandom(discover: Command): void {
  const random = command(discover, 'random')
    .description('Nodes met by lookups of random targets, each once, until there are enough or ctrl-C.')
    .option('--count <n>', 'how many', wholeNumber(1, 100_000), 16)
    .option('--timeout <seconds>', 'how long to look', positiveNumber(86_400), 30)
    .action(async ({ count, timeout }: { count: number; timeout: number }, self: Command) => {
      await withProbe(self, false, async (work) => {
        const late = AbortSignal.timeout(timeout * 1000)
        await tellMet(work, AbortSignal.any([work.signal, late]), count)
      })
    })
  examples(random, [
    'kumiko discover random --network hoodi --count 100',
    'kumiko discover random --bootnodes enode://…@127.0.0.1:30303 --json',
  ])
}

function addListen(discover: Command): void {
  const listen = command(discover, 'listen')
    .description('Take part in discovery until ctrl-C, and tell of each node that is met.')
    .action(async (_flags: unknown, self: Command) => {
      await withProbe(self, true, async (work) => {
        const { host } = work.probe
        work.isFoundOut()
        if (work.output.isJson) work.output.json({ event: 'listening', enode: host.identity.enode, enr: host.identity.enr })
        else for (const line of [host.identity.enode, host.identity.enr]) work.output.line(line)
        await Promise.race([tellMet(work, work.signal, Number.POSITIVE_INFINITY), aborted(work.signal)])
      })
    })
  examples(listen, ['kumiko discover listen --disc-addr 127.0.0.1:30301', 'kumiko discover listen --network mainnet --json'])
}

/** Node ids told of are remembered. */
const TOLD_MAX = 100_000

/** Tells of nodes met by random lookups of both protocols, each once. */
async function tellMet({ probe, output, isFoundOut }: Work, signal: AbortSignal, count: number): Promise<void> {
  const told = new Set<NodeId>()
  const enough = new AbortController()
  const stopping = AbortSignal.any([signal, enough.signal])
  const walk = async (part: NonNullable<Probe['v4'] | Probe['v5']>): Promise<void> => {
    for await (const node of part.nodes({ signal: stopping })) {
      if (told.has(node.nodeId) || told.size >= TOLD_MAX) continue
      told.add(node.nodeId)
      isFoundOut()
      tellNode(node, output, part.name)
      if (told.size >= count) enough.abort()
      if (stopping.aborted) return
    }
  }
  await Promise.all([probe.v4, probe.v5].flatMap((part) => (part === undefined ? [] : [walk(part)])))
}

function addCrawl(discover: Command): void {
  const crawling = command(discover, 'crawl')
    .description('Ask every node for those it knows, until none is left. Where it was interrupted, it goes on.')
    .argument('[file]', 'a node set, made where there is none', 'nodes.json')
    .option('--timeout <seconds>', 'how long at most', positiveNumber(604_800), 1800)
    .action(async (file: string, { timeout }: { timeout: number }, self: Command) => {
      const [{ crawl }, { inquiryV4, inquiryV5 }, { NodeSet }] = await Promise.all([
        import('../discover/crawl.ts'),
        import('../discover/inquiries.ts'),
        import('../node-set.ts'),
      ])
      const set = await NodeSet.open(resolve(file))
      await withProbe(self, set.size > 0, async ({ probe, output, signal, isFoundOut }) => {
        using line = new ProgressLine()
        const inquiries = [
          ...(probe.v4 === undefined ? [] : [inquiryV4(probe.v4)]),
          ...(probe.v5 === undefined ? [] : [inquiryV5(probe.v5)]),
        ]
        const progress = await crawl({
          inquiries,
          self: probe.host.identity.nodeId,
          start: [...probe.bootnodes, ...probe.bootnodesV5],
          set,
          clock: systemClock,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]),
          onProgress: ({ heard, alive, silent, waiting }) =>
            line.show(() => `${heard} nodes heard of: ${alive} answered, ${silent} did not, ${waiting} to be asked; ctrl-C stops`),
          ...(output.isJson ? { onAlive: (node, protocols) => output.json({ ...described(node), protocols }) } : {}),
        })
        if (progress.alive > 0) isFoundOut()
        if (output.isJson) output.json({ event: 'done', file: set.path, ...progress })
        else output.line(`${progress.alive} nodes answered, ${progress.silent} did not, ${progress.waiting} were not asked: ${set.path}`)
      })
    })
  examples(crawling, [
    'kumiko discover crawl nodes.json --bootnodes enode://…@127.0.0.1:0?discport=30301',
    'kumiko discover crawl mainnet.json --network mainnet --timeout 3600',
  ])
}

function described(node: NodeRecord): Readonly<Record<string, unknown>> {
  return { nodeId: node.nodeId, seq: node.seq.toString(), record: enrTextOf(node) ?? enodeOf(node), endpoints: node.endpoints }
}

function tellNode(node: NodeRecord, output: Output, protocol?: string): void {
  if (output.isJson) output.json({ ...(protocol === undefined ? {} : { protocol }), ...described(node) })
  else output.line(`${node.nodeId}  ${enrTextOf(node) ?? enodeOf(node)}`)
}
