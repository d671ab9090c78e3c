// What the clients of fabric-client.ts talk to, in a process of its own, whose CPU alone counts. Told by messages of its parent.
//   fabric-server.ts network|bare
import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { GatewayMethods } from '@kumiko/fabric-gateway'
import { GrpcListener, serve } from '@kumiko/fabric-grpc'
import { type Envelope, PreparedTransaction } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { Assets } from '../fabric-contract.ts'
import { cpuSeconds } from '../measure.ts'

const net = await devnet({ contracts: { assets: Assets } })
const access = await net.gateway()
const endpoint = process.argv[2] === 'bare' ? await bareServer(net) : access.endpoint
const { tlsRootCertificate, identity, privateKey } = access
process.send?.({
  endpoint,
  tlsRoot: tlsRootCertificate.toString(),
  mspId: identity.mspId,
  certificate: Buffer.from(identity.credentials).toString(),
  privateKey,
})

process.on('message', (message) => {
  if (message === 'cpu') process.send?.(cpuSeconds())
})
process.on('disconnect', async () => {
  await net.stop()
  process.exit()
})

/** Answers as the network did, without a look at what is asked. @returns Where. */
async function bareServer(recorded: Devnet): Promise<string> {
  const assets = await recorded.contract('assets')
  await assets.submitTransaction('write', 'car', 'alice')
  const endorsed = await assets.newProposal('write', { arguments: ['car', 'alice'] }).endorse()
  const preparedTransaction = envelopeOf(endorsed.getBytes())
  const organization = recorded.network.organizations[0]?.organization
  const tls = organization?.nodes.get('peer0')?.tls
  if (tls === undefined) throw new Error('a network has a peer')
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const response = { status: 200, message: '', payload: encode('alice') }
  const listener = new GrpcListener({
    listen: '127.0.0.1:0',
    tls: { certificate: encode(tls.certificate), privateKey: encode(tls.privateKey) },
  })
  listener.add(
    serve(GatewayMethods.evaluate, async () => ({ result: response })),
    serve(GatewayMethods.endorse, async () => ({ preparedTransaction })),
    serve(GatewayMethods.submit, async () => ({})),
    serve(GatewayMethods.commitStatus, async () => ({ result: 0, blockNumber: 1n })),
  )
  await listener.start()
  await recorded.stop()
  return listener.address.replace('127.0.0.1', 'localhost')
}

function envelopeOf(bytes: Uint8Array): Envelope {
  const prepared = PreparedTransaction.decode(bytes)
  if (isFault(prepared) || prepared.envelope === undefined) throw new Error('the client keeps no envelope')
  return prepared.envelope
}
