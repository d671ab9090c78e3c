import { join } from 'node:path'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import { fabricPeer } from '@kumiko/fabric-peer'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, ordererBlock } from '@kumiko/golden-channel'
import { createHost } from '@kumiko/host'
import { isFault } from '@kumiko/interface'
import { operations, PrometheusMetrics } from '@kumiko/operations'
import { expect, test } from 'vitest'

test('a Fabric peer is a service of a Host, beside what tells of it', async () => {
  const path = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp')
  const msp = await loadLocalMsp(path, { mspId: 'Org1MSP' })
  const metrics = new PrometheusMetrics({ process: false })
  const host = await createHost({
    metrics: () => metrics,
    services: {
      operations: operations({ listen: '127.0.0.1:0' }),
      peer: fabricPeer({ msp, source: null }),
    },
    start: true,
  })
  const { peer, operations: served } = host.services
  try {
    served.check('peer', () => peer.checkHealth())
    const genesis = readBlock(ordererBlock(0))
    if (isFault(genesis)) throw new Error(genesis.detail)
    await peer.join(genesis)
    expect((await fetch(`http://${served.address}/healthz`)).status).toBe(200)
    expect(await (await fetch(`http://${served.address}/metrics`)).text()).toContain('ledger_blockchain_height{channel="mychannel"} 1')
  } finally {
    await host.stop()
  }
  expect(peer.isRunning).toBe(false)
  expect(served.address).toBeUndefined()
})
