import { Envelope, toHex } from '@kumiko/fabric-protocol'
import { orderer } from '../src/orderer.ts'
import { CHANNEL, genesis, identities, transaction } from './network.ts'

/** Orders as fast as it can, and tells what was acknowledged, until it is killed. */
const [folder = '', round = ''] = process.argv.slice(2)
const who = await identities()
const node = orderer({ folder, signer: who.orderer })
await node.start()
if (node.channel(CHANNEL) === undefined) await node.join(await genesis(undefined, '20ms'))
for (;;) {
  const sizes = [100 + Number(round), 200, 3000, 21_000, 150]
  const envelopes = sizes.map((size) => transaction(who.client, size))
  const answers = await Promise.all(envelopes.map((envelope) => node.broadcast(envelope)))
  for (const [at, { status }] of answers.entries()) {
    const envelope = envelopes[at]
    if (status === 200 && envelope !== undefined) process.stdout.write(`${toHex(Envelope.encode(envelope)).slice(-64)}\n`)
  }
}
