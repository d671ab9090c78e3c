import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChannelHeader, Envelope, Payload, unknownFields } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inMemory } from '../src/memory-log.ts'
import { type Orderer, orderer } from '../src/orderer.ts'
import { BATCH, CHANNEL, configUpdate, genesis, type Identities, identities, transaction, withTimeout } from './network.ts'

let who: Identities
let folder: string
let node: Orderer
let seeds: Envelope[]

beforeAll(async () => {
  who = await identities()
  folder = await mkdtemp(join(tmpdir(), 'kumiko-orderer-'))
  node = orderer({ folder, signer: who.orderer, consenter: inMemory() })
  await node.start()
  const { bundle } = await node.join(await genesis({ ...BATCH, maxMessageCount: 1 }))
  const update = configUpdate(bundle.config, (config) => withTimeout(config, '7s'), [who.admin])
  seeds = [transaction(who.client), update]
})

afterAll(async () => {
  await node.stop()
  await rm(folder, { recursive: true })
})

const STATUSES = [200, 400, 403]

describe('broadcast', () => {
  it('answers any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 80 }), async (payload, signature) => {
        expect((await node.broadcast({ payload, signature })).status).toBe(400)
      }),
      { numRuns: 500 },
    )
  })

  it('answers envelopes of the channel with any type and data', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -2, max: 9 }),
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ maxLength: 100 }),
        async (type, signatureHeader, data) => {
          const header = { channelHeader: ChannelHeader.encode({ type, channelId: CHANNEL }), signatureHeader }
          const { status, info } = await node.broadcast({ payload: Payload.encode({ header, data }), signature: data })
          expect(STATUSES).toContain(status)
          expect(info).not.toBe('')
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes nothing that was changed after it was signed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, place, change) => {
        const seed = must(seeds[which])
        const payload = seed.payload.slice()
        const at = place % payload.length
        payload[at] = (payload[at] ?? 0) ^ change
        expect((await node.broadcast({ ...seed, payload })).status).not.toBe(200)
      }),
      { numRuns: 500 },
    )
    expect(node.channel(CHANNEL)?.height).toBe(1n)
  })

  it('leaves out what an envelope has besides payload and signature', async () => {
    const envelope = { ...transaction(who.client), [unknownFields]: [new Uint8Array(200_000).fill(0x7a)] }
    expect((await node.broadcast(envelope)).status).toBe(200)
    for await (const { data } of node.channel(CHANNEL)?.blocks(1n) ?? []) {
      expect(data).toEqual([Envelope.encode({ payload: envelope.payload, signature: envelope.signature })])
      break
    }
  })
})
