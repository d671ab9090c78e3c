import { dialer } from '@kumiko/dialer'
import type { Discv4 } from '@kumiko/discv4'
import type { Discv5 } from '@kumiko/discv5'
import { createHost } from '@kumiko/host'
import { createIdentity, parseNode } from '@kumiko/identity'
import { type Host, KumikoError, type NodeRecord } from '@kumiko/interface'
import type { NodeConfig } from '../config/schema.ts'
import { discoveryOf, entryPoints } from '../discovery.ts'

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

/** @throws KumikoError `node/no-discovery`, `udp/listen-failed`. */
export async function startProbe(config: ProbeConfig): Promise<Probe> {
  if (!config.discoveryV4 && !config.discoveryV5) {
    throw new KumikoError('node/no-discovery', 'both discv4 and discv5 are switched off: leave one of them on')
  }
  const points = entryPoints(config)
  const [bootnodes, bootnodesV5] = [points.bootnodes.map(parseNode), points.bootnodesV5.map(parseNode)]
  const { discoveryV4, discoveryV5, netRestrict } = config
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
