import { CommitError, CommitStatusError, checkpointers, EndorseError, GatewayError, hash, type Network } from '@hyperledger/fabric-gateway'
import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { readProposal, type SignedProposal, ValidationCode } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, connected, proxy, served, signer, take } from './client.ts'
import { HandMadeChain } from './hand-made-chain.ts'
import { CHAINCODE, CHANNEL, endorsed, failed, type HandMadeNetwork, handMade, OWN, PEERS } from './hand-made-network.ts'

afterEach(closeAll)

/** A network whose one orderer commits each transaction in a block of its own. */
function network(options: HandMadeNetwork & { readonly code?: number } = {}) {
  const chain = new HandMadeChain('etcdraft')
  const proposed: SignedProposal[] = []
  const txId = () => {
    const proposal = readProposal(proposed.at(-1)?.proposalBytes ?? new Uint8Array())
    return isFault(proposal) ? '' : proposal.channel.txId
  }
  const own = {
    mspId: 'msp1',
    address: OWN,
    height: 0,
    answer: (signed: SignedProposal) => {
      proposed.push(signed)
      return endorsed(OWN)
    },
  }
  const made = handMade({
    chain,
    peers: [own, ...PEERS.slice(1).map((peer) => ({ ...peer, height: 0 }))],
    plan: { groups: { g1: [OWN], g2: ['peer2:9051'] } },
    orderers: [
      async () => {
        chain.commit([{ txId: txId(), chaincode: CHAINCODE, ...(options.code !== undefined && { code: options.code }) }])
        return { status: 200, info: '' }
      },
    ],
    ...options,
  })
  return { ...made, chain, proposed }
}

async function contractOf(options: Parameters<typeof network>[0] = {}) {
  const made = network(options)
  const { gateway } = await served(made.gateway)
  const channel: Network = gateway.getNetwork(CHANNEL)
  return { ...made, client: gateway, channel, contract: channel.getContract(CHAINCODE) }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe("the gateway's client", () => {
  it('evaluates', async () => {
    const { contract, asked } = await contractOf()
    expect(text(await contract.evaluateTransaction('read', 'key'))).toBe('result')
    expect(asked).toEqual([OWN])
  })

  it('submits, and learns what became of it', async () => {
    const { contract, asked } = await contractOf()
    const submitted = await contract.submitAsync('write', { arguments: ['key', 'value'] })
    expect(text(submitted.getResult())).toBe('result')
    expect(await submitted.getStatus()).toEqual({
      code: ValidationCode.valid,
      blockNumber: 0n,
      successful: true,
      transactionId: submitted.getTransactionId(),
    })
    expect(asked).toEqual([OWN, 'peer2:9051'])
  })

  it('is told that a transaction was not valid', async () => {
    const { contract } = await contractOf({ code: ValidationCode.mvccReadConflict })
    const error = await errorOf(contract.submitTransaction('write'))
    expect(error).toBeInstanceOf(CommitError)
    expect(error).toMatchObject({ code: ValidationCode.mvccReadConflict })
  })

  it('signs elsewhere', async () => {
    const { client, contract } = await contractOf()
    const unsigned = contract.newProposal('write')
    const proposal = client.newSignedProposal(unsigned.getBytes(), await signer(unsigned.getDigest()))
    const transaction = await proposal.endorse()
    const signed = client.newSignedTransaction(transaction.getBytes(), await signer(transaction.getDigest()))
    const commit = await signed.submit()
    const status = await client.newSignedCommit(commit.getBytes(), await signer(commit.getDigest())).getStatus()
    expect(status).toMatchObject({ successful: true, transactionId: unsigned.getTransactionId() })
    expect(hash.sha256(Buffer.alloc(0))).toHaveLength(32)
  })

  it('names organisations', async () => {
    const { contract, asked } = await contractOf()
    await contract.evaluate('read', { endorsingOrganizations: ['msp3'] })
    await contract.newProposal('write', { endorsingOrganizations: ['msp1', 'msp3'] }).endorse()
    expect(asked).toEqual(['peer4:11051', OWN, 'peer4:11051'])
  })

  it.each([
    ['EndorseError', () => failed(500, 'no such key', 'payload'), EndorseError, 'chaincode response 500, no such key'],
    ['EndorseError of a peer', () => failed(500, 'peer broke'), EndorseError, 'peer broke'],
  ])('is told of an %s with details', async (_, answer, type, message) => {
    const own = { mspId: 'msp1', address: OWN, height: 9, answer }
    const { contract } = await contractOf({ peers: [own] })
    const proposal = contract.newProposal('write')
    const error = await errorOf(proposal.endorse())
    expect(error).toBeInstanceOf(type)
    expect(error).toMatchObject({ code: RpcStatus.aborted, transactionId: proposal.getTransactionId() })
    expect(error).toMatchObject({ details: [{ address: OWN, mspId: 'msp1', message }] })
  })

  it('is told of an evaluation that failed with details', async () => {
    const { contract } = await contractOf({
      peers: [{ mspId: 'msp1', address: OWN, height: 9, answer: () => failed(404, 'no such key', 'p') }],
    })
    const error = await errorOf(contract.evaluateTransaction('read'))
    expect(error).toBeInstanceOf(GatewayError)
    const message = 'chaincode response 404, no such key'
    expect(error).toMatchObject({ code: RpcStatus.unknown, details: [{ address: OWN, mspId: 'msp1', message }] })
  })

  it('is told with details that no orderer took a transaction', async () => {
    const { contract } = await contractOf({ orderers: [() => Promise.reject(new RpcError(RpcStatus.unavailable, 'down'))] })
    const transaction = await contract.newProposal('write').endorse()
    const error = await errorOf(transaction.submit())
    expect(error).toBeInstanceOf(GatewayError)
    const details = [{ address: 'orderer1:7050', mspId: 'msp1', message: 'rpc error: code = Unavailable desc = down' }]
    expect(error).toMatchObject({ code: RpcStatus.unavailable, transactionId: transaction.getTransactionId(), details })
  })

  it('is told of a CommitStatusError', async () => {
    const { contract } = await contractOf({ access: { check: () => ({ fault: 'fabric-msp/access-denied', detail: 'why' }) } })
    const error = await errorOf((await contract.submitAsync('write')).getStatus())
    expect(error).toBeInstanceOf(CommitStatusError)
    expect(error).toMatchObject({ code: RpcStatus.permissionDenied })
  })

  it('ends waiting by its own deadline, and leaves nothing behind', async () => {
    const { contract, chain } = await contractOf({ orderers: [async () => ({ status: 200, info: '' })] })
    const submitted = await contract.submitAsync('write')
    const error = await errorOf(submitted.getStatus({ deadline: Date.now() + 200 }))
    expect(error).toMatchObject({ code: RpcStatus.deadlineExceeded })
    await expect.poll(() => chain.followers).toBe(0)
  })

  it('hears of events, from a checkpoint on where there is one', async () => {
    const { chain, channel } = await contractOf()
    for (let block = 0; block < 3; block++) chain.commit([0, 1].map((at) => ({ txId: `t${block}${at}`, chaincode: CHAINCODE })))
    const checkpoint = checkpointers.inMemory()
    const first = await take(await channel.getChaincodeEvents(CHAINCODE, { startBlock: 0n }), 3)
    expect(first.map(({ transactionId, eventName, payload }) => [transactionId, eventName, text(payload)])).toEqual(
      ['t00', 't01', 't10'].map((id) => [id, 'e', id]),
    )
    for (const event of first) await checkpoint.checkpointChaincodeEvent(event)
    const rest = await take(await channel.getChaincodeEvents(CHAINCODE, { startBlock: 0n, checkpoint }), 3)
    expect(rest.map(({ transactionId, blockNumber }) => [transactionId, blockNumber])).toEqual([
      ['t11', 1n],
      ['t20', 2n],
      ['t21', 2n],
    ])
    await expect.poll(() => chain.followers).toBe(0)
  })

  it('may vanish in the midst of a stream', async () => {
    const made = network()
    const { address } = await served(made.gateway)
    const wire = await proxy(address)
    const other = connected(wire.address)
    const events = await other.gateway.getNetwork(CHANNEL).getChaincodeEvents(CHAINCODE, { startBlock: 0n })
    const heard = errorOf(take(events, 1))
    await expect.poll(() => made.chain.followers).toBe(1)
    wire.cut()
    await heard
    await expect.poll(() => made.chain.followers).toBe(0)
  })

  it('is refused where too many are served', async () => {
    const made = network()
    const { gateway } = await served(made.gateway, { concurrencyMax: 1 })
    const channel = gateway.getNetwork(CHANNEL)
    const events = await channel.getChaincodeEvents(CHAINCODE, { startBlock: 0n })
    const heard = errorOf(take(events, 1))
    await expect.poll(() => made.chain.followers).toBe(1)
    const error = await errorOf(channel.getContract(CHAINCODE).evaluateTransaction('read'))
    expect(error).toMatchObject({
      code: RpcStatus.unknown,
      cause: { details: 'too many requests for /gateway.Gateway, exceeding concurrency limit (1)' },
    })
    events.close()
    await heard
    await expect.poll(() => made.chain.followers).toBe(0)
    expect(text(await channel.getContract(CHAINCODE).evaluateTransaction('read'))).toBe('result')
  })

  it('may have a thousand streams, which follow one feed', async () => {
    const made = network()
    const { gateway } = await served(made.gateway, { concurrencyMax: 0 })
    const channel = gateway.getNetwork(CHANNEL)
    const heard = Array.from({ length: 1000 }, async () => await take(await channel.getChaincodeEvents(CHAINCODE, { startBlock: 0n }), 2))
    await expect.poll(() => made.chain.followers).toBe(1)
    made.chain.commit([{ txId: 't0', chaincode: CHAINCODE }])
    made.chain.commit([{ txId: 't1', chaincode: CHAINCODE }])
    for (const events of await Promise.all(heard)) expect(events.map(({ transactionId }) => transactionId)).toEqual(['t0', 't1'])
    await expect.poll(() => made.chain.followers).toBe(0)
    expect(made.chain.follows).toBeLessThan(3)
  })
})
