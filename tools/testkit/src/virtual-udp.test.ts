import { udpSocketContract } from '@kumiko/interface/testing'
import { describe, it } from 'vitest'
import { virtualClock } from './clock.ts'
import { virtualNetwork } from './virtual-network.ts'
import { virtualUdp } from './virtual-udp.ts'

udpSocketContract({ describe, it }, () => {
  const clock = virtualClock()
  const network = virtualNetwork({ clock })
  return {
    socket: virtualUdp(network, { ips: ['10.0.0.1'], port: 30_303 }),
    peer: virtualUdp(network, { ips: ['10.0.0.2'], port: 0 }),
    socketAt: ({ ip, port }) => virtualUdp(network, { ips: [ip], port }),
    pass: () => clock.advance(20),
  }
})
