import { connectionManager, netRestrict } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost } from '@kumiko/host'
import type { Capability, Host } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { echo } from './capabilities/echo.ts'
import { pingPong } from './capabilities/ping-pong.ts'
import type { ListenAddr, NodeConfig } from './config/schema.ts'
import type { DataFolder } from './data-folder.ts'
import { VERSION } from './version.ts'

const CAPABILITIES: Readonly<Record<NodeConfig['capabilities'][number], () => Capability>> = { echo, pingpong: pingPong }

/** Puts a node together. Nothing runs before `host.start()`. */
export async function compose(config: NodeConfig, { identity, datastore }: Pick<DataFolder, 'identity' | 'datastore'>): Promise<Host> {
  const { maxPeers, maxPendingPeers, dialRatio, noDial, nat, netRestrict: networks } = config
  if (nat !== undefined) identity.record.setStaticIp(nat.extip.includes(':') ? 6 : 4, nat.extip)
  return await createHost({
    identity,
    datastore,
    nodeInfo: { name: config.name, version: VERSION },
    addresses: { listen: [rlpxAddress(config.listenAddr), ...config.libp2p.listen] },
    transports: [rlpx({ capabilities: config.capabilities.map((name) => CAPABILITIES[name]()) }), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    dialer: dialer({
      static: config.staticNodes,
      bootnodes: config.bootnodes,
      dialRatio,
      noDial,
      ...(networks.length === 0 ? {} : { netRestrict: networks }),
    }),
    connectionManager: connectionManager({
      maxPeers,
      maxPendingPeers,
      trusted: config.trustedNodes,
      filters: networks.length === 0 ? [] : [netRestrict(networks)],
    }),
    services: { identify: identify(), ping: ping() },
  })
}

function rlpxAddress({ ip, port }: ListenAddr): string {
  return `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}/rlpx`
}
