import { KumikoError, type PacketReceiver, type UdpPort, type UdpSocket } from '@kumiko/interface'
import type { VirtualDatagramSocket, VirtualNetwork } from './virtual-network.ts'

/** Where a virtual UDP socket is bound: one address for each family that it serves. */
export interface VirtualUdpOptions {
  readonly ips: readonly string[]
  /** The same for all addresses. */
  readonly port: number
}

/** A UDP socket on a virtual network. May be opened again after its last user closed it. */
export function virtualUdp(network: VirtualNetwork, { ips, port }: VirtualUdpOptions): UdpSocket {
  const receivers = new Set<PacketReceiver>()
  let sockets: VirtualDatagramSocket[] = []
  const take = (bytes: Uint8Array, from: { host: string; port: number }): void => {
    for (const receiver of receivers) if (receiver(bytes, { ip: from.host, port: from.port })) return
  }
  const socketFor = (ip: string): VirtualDatagramSocket | undefined =>
    sockets.find(({ local }) => local.host.includes(':') === ip.includes(':'))
  return {
    async open(receiver) {
      if (receivers.size === 0) sockets = bindAll(network, { ips, port }, take)
      receivers.add(receiver)
      const share: UdpPort = {
        local: (family) => {
          const local = sockets.find(({ local }) => local.host.includes(':') === (family === 6))?.local
          return local === undefined ? undefined : { ip: local.host, port: local.port }
        },
        send: (packet, to) => {
          const socket = receivers.has(receiver) ? socketFor(to.ip) : undefined
          socket?.send(packet, { host: to.ip, port: to.port })
          return socket !== undefined
        },
        close: async () => {
          if (!receivers.delete(receiver) || receivers.size > 0) return
          for (const socket of sockets) socket.close()
          sockets = []
        },
      }
      return share
    },
  }
}

/** @throws KumikoError `udp/listen-failed`; nothing is bound then. */
function bindAll(
  network: VirtualNetwork,
  { ips, port }: VirtualUdpOptions,
  take: Parameters<VirtualNetwork['bind']>[1],
): VirtualDatagramSocket[] {
  const bound: VirtualDatagramSocket[] = []
  try {
    for (const host of ips) bound.push(network.bind({ host, port }, take))
    return bound
  } catch (cause) {
    for (const socket of bound) socket.close()
    throw new KumikoError('udp/listen-failed', `could not listen on ${ips.join(' and ')}, port ${port}`, { cause, context: { ips, port } })
  }
}
