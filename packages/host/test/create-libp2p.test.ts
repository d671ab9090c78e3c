import { createLibp2p } from '@kumiko/host'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect, test } from 'vitest'
import { libp2pParts } from './nodes.ts'

test('a node of js-libp2p’s options is a Host, under the key given, and started', async () => {
  const privateKey = await generateKeyPair('secp256k1')
  const host = await createLibp2p({ ...libp2pParts(), privateKey })
  expect([host.status, host.components.privateKey.equals(privateKey), host.getMultiaddrs().length]).toEqual(['started', true, 1])
  await host.stop()
  const unstarted = await createLibp2p({ start: false })
  expect(unstarted.status).toBe('stopped')
})

test('what a Host does in its own way is refused, naming the option', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const refused = (option: string) => ({ code: 'host/bad-option', message: expect.stringContaining(option) })
  await expect(createLibp2p({ privateKey })).rejects.toMatchObject(refused('privateKey: is Ed25519'))
  const flat: object = { connectionManager: { maxConnections: 4 } }
  await expect(createLibp2p(flat)).rejects.toMatchObject(refused('connectionManager'))
  const unknown: object = { connectionMonitor: { enabled: false } }
  await expect(createLibp2p(unknown)).rejects.toMatchObject(refused('connectionMonitor'))
})
