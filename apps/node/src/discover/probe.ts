import { dialer } from '@kumiko/dialer'
import type { Discv4 } from '@kumiko/discv4'
import type { Discv5 } from '@kumiko/discv5'
import { createHost } from '@kumiko/host'
import { createIdentity, parseNode } from '@kumiko/identity'
import { type Host, KumikoError, type NodeRecord } from '@kumiko/interface'
import type { NodeConfig } from '../config/schema.ts'
import { areOutside, discoveryOf, entryPoints, needDiscovery } from '../discovery.ts'
import { located } from './located.ts'

/** A node that lives as long as a command: it asks, and takes no connections. */
export interface Probe extends AsyncDisposable {
  readonly host: Host
  readonly v4: Discv4 | undefined
  readonly v5: Discv5 | undefined
  /** Where the network is entered, by each protocol. */
  readonly bootnodes: readonly NodeRecord[]
  readonly bootnodesV5: readonly NodeRecord[]
}

/** Of the configuration, what matters here. */
export type ProbeConfig = Pick<
  NodeConfig,
  'discAddr' | 'discoveryV4' | 'discoveryV5' | 'netRestrict' | 'network' | 'bootnodes' | 'dnsTrees'
>

/** @throws KumikoError `node/no-discovery`, `node/unknown-name`, `node/bootnodes-outside`, `udp/listen-failed`. */
export async function startProbe(config: ProbeConfig): Promise<Probe> {
  needDiscovery(config)
  const points = entryPoints(config)
  const [bootnodes, bootnodesV5] = await Promise.all([allLocated(points.bootnodes), allLocated(points.bootnodesV5)])
  const { discoveryV4, discoveryV5, netRestrict } = config
  if (areOutside([...bootnodes, ...bootnodesV5], netRestrict)) throw outside(netRestrict)
  const discovery = discoveryOf({ listen: config.discAddr, bootnodes, bootnodesV5, discoveryV4, discoveryV5, netRestrict })
  const host = await createHost({
    identity: await createIdentity(),
    discovery: discovery.parts,
    dialer: dialer({ noDial: true }),
    start: true,
  })
  return {
    host,
    v4: discovery.running.find((part): part is Discv4 => part.name === 'discv4'),
    v5: discovery.running.find((part): part is Discv5 => part.name === 'discv5'),
    bootnodes,
    bootnodesV5,
    [Symbol.asyncDispose]: async () => await host.stop(),
  }
}

/** Those whose names have an address. @throws Where that is none of them. */
async function allLocated(texts: readonly string[]): Promise<NodeRecord[]> {
  const outcomes = await Promise.allSettled(texts.map(async (text) => await located(parseNode(text))))
  const found = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (found.length === 0 && failed !== undefined) throw failed.reason
  return found
}

function outside(netRestrict: readonly string[]): KumikoError {
  const message = `all bootnodes are outside of --net-restrict ${netRestrict.join(',')}: widen it, or name others`
  return new KumikoError('node/bootnodes-outside', message, { context: { netRestrict } })
}
