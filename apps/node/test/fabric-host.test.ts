import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { loadLocalMsp } from '@kumiko/fabric-msp'
import { fabricPeer } from '@kumiko/fabric-peer'
import { readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, ordererBlock } from '@kumiko/golden-channel'
import { createHost } from '@kumiko/host'
import { isFault } from '@kumiko/interface'
import { Logging, Operations, operations, PrometheusMetrics } from '@kumiko/operations'
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

test('operations with TLS show what is of value to clients with a certificate alone', async () => {
  const organization = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com')
  const pem = async (path: string) => new Uint8Array(await readFile(join(organization, path)))
  const ca = await pem('tlsca/tlsca.org1.example.com-cert.pem')
  const node = 'peers/peer0.org1.example.com/tls'
  const [certificate, privateKey] = [await pem(`${node}/server.crt`), await pem(`${node}/server.key`)]
  const metrics = new PrometheusMetrics({ process: false })
  const served = new Operations({
    listen: '127.0.0.1:0',
    tls: { certificate, privateKey, clientRootCas: [ca] },
    metrics,
    logging: new Logging({ write: () => {} }),
    version: { version: '1' },
  })
  await served.start()
  const user = 'users/User1@org1.example.com/tls'
  const own = { cert: Buffer.from(await pem(`${user}/client.crt`)), key: Buffer.from(await pem(`${user}/client.key`)) }
  const status = async (path: string, client: typeof own | undefined): Promise<number | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    const request = get(`https://${served.address}${path}`, { ca: Buffer.from(ca), agent: false, ...client }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject)
    return await promise
  }
  try {
    const paths = ['/healthz', '/version', '/metrics', '/logspec']
    expect(await Promise.all(paths.map((path) => status(path, undefined)))).toEqual([200, 200, 401, 401])
    expect(await Promise.all(paths.map((path) => status(path, own)))).toEqual([200, 200, 200, 200])
  } finally {
    await served.stop()
  }
})
