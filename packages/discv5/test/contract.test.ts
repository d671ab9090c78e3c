import { type NodeSourceSubject, nodeSourceContract, type PeerDiscoverySubject, peerDiscoveryContract } from '@kumiko/interface/testing'
import type { VirtualClock } from '@kumiko/testkit'
import { describe, it } from 'vitest'
import { TestNetwork, type TestNode } from './nodes.ts'

const runner = { describe, it }

describe('discv5', () => {
  nodeSourceContract(runner, async (): Promise<NodeSourceSubject> => {
    const net = new TestNetwork()
    const nodes = await net.form(6)
    await net.clock.advance(30_000)
    const { discovery } = nodes[1] as TestNode
    const stopClock = run(net.clock)
    return {
      source: discovery,
      begun: () => discovery.status().lookups,
      // The Explorer, whose nodes these are, shows that it lets go of everything; here other alarms come and go.
      held: () => 0,
      free: async () => {
        await stopClock()
        await net.stop()
      },
    }
  })

  peerDiscoveryContract(runner, async (): Promise<PeerDiscoverySubject> => {
    const net = new TestNetwork()
    const node = await net.make()
    const { discovery } = node
    return {
      discovery,
      async provoke() {
        const other = await net.make()
        await other.start()
        if (!discovery.status().isRunning) return
        await net.result(other.discovery.ping(node.record))
        await net.clock.advance(5000)
      },
      free: async () => await net.stop(),
    }
  })
})

/** Lets virtual time run, 100 ms a turn. @returns Stops it. */
function run(clock: VirtualClock): () => Promise<void> {
  let isRunning = true
  const running = (async () => {
    while (isRunning) {
      await clock.advance(100)
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
  })()
  return async () => {
    isRunning = false
    await running
  }
}
