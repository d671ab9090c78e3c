/** What a first user of the packages might write, as JavaScript. */
export const ROUND_TRIP = `
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity, decodeEnrText, formatEnode, generateSecretKey, loadKeyFile, parseEnode, saveKeyFile } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'

const folder = await mkdtemp(join(tmpdir(), 'kumiko-'))
try {
  const path = join(folder, 'nodekey')
  const secretKey = generateSecretKey()
  await saveKeyFile(path, secretKey)
  const identity = await createIdentity({ secretKey: await loadKeyFile(path) })
  assert.deepEqual(Buffer.from(identity.secretKey), Buffer.from(secretKey))

  identity.record.setStaticIp(4, '192.0.2.1')
  identity.record.setPorts(4, { tcp: 30303, udp: 30303 })
  assert.equal(formatEnode(parseEnode(identity.enode)), identity.enode)

  const enr = decodeEnrText(identity.enr)
  assert.equal(isFault(enr), false)
  assert.equal(enr.seq, identity.record.seq)
} finally {
  await rm(folder, { recursive: true })
}
`
