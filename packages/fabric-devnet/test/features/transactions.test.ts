import { Client, credentials, status } from '@grpc/grpc-js'
import { type Contract, connect } from '@hyperledger/fabric-gateway'
import type { Devnet } from '@kumiko/fabric-devnet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluated, failureOf, networkOf, portOf, saidBy, scenarioNetwork, submitted } from './network.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

let net: Devnet
const contractOf = async (name: string, org = 'Org1'): Promise<Contract> => (await networkOf(net, org)).getContract(name)

beforeAll(async () => {
  net = await scenarioNetwork()
})
afterAll(() => net.stop())

describe('Transaction invocation', () => {
  it('Evaluate with result', async () => {
    expect(await evaluated(await contractOf('basic'), 'echo', 'conga')).toBe('conga')
  })

  it('Submit with result', async () => {
    expect(await submitted(await contractOf('basic'), 'echo', 'conga')).toBe('conga')
  })

  it('Update ledger', async () => {
    const basic = await contractOf('basic')
    await submitted(basic, 'put', 'update', 'ledger')
    expect(await evaluated(basic, 'get', 'update')).toBe('ledger')
  })

  it('Transient data', async () => {
    const transientData = { key1: 'value1', key2: 'value2' }
    const result = await (await contractOf('basic')).evaluate('echoTransient', { transientData })
    expect(JSON.parse(text(result))).toEqual(transientData)
  })

  it('Evaluate with error response', async () => {
    const failure = await failureOf((await contractOf('basic')).evaluateTransaction('errorMessage', 'ALL_YOUR_ERROR_ARE_BELONG_TO_US'))
    expect(failure.code).toBe(status.UNKNOWN)
    expect(failure.message).toContain('ALL_YOUR_ERROR_ARE_BELONG_TO_US')
  })

  it('Submit with error response', async () => {
    const failure = await failureOf((await contractOf('basic')).submitTransaction('errorMessage', 'ALL_YOUR_ERROR_ARE_BELONG_TO_US'))
    expect(failure.code).toBe(status.ABORTED)
    expect(failure.message).toContain('failed to endorse transaction, see attached details for more info')
    const message = 'chaincode response 500, ALL_YOUR_ERROR_ARE_BELONG_TO_US'
    expect(failure.details).toEqual(saidBy(net, ['Org1MSP'], () => message))
  })

  it('Commit status of a transaction that others made invalid', async () => {
    const basic = await contractOf('basic')
    const endorsed = await Promise.all(
      [1, 2].map((value) => basic.newProposal('append', { arguments: ['contended', `${value}`] }).endorse()),
    )
    const statuses = []
    for (const transaction of endorsed) statuses.push(await (await transaction.submit()).getStatus())
    expect(statuses.map(({ code, successful }) => [code, successful])).toEqual([
      [0, true],
      [11, false],
    ])
    expect(await evaluated(basic, 'get', 'contended')).toBe('1')
  })

  it('Commit status of a transaction that was committed before', async () => {
    const basic = await contractOf('basic')
    const transaction = await basic.newProposal('put', { arguments: ['twice', 'once'] }).endorse()
    const first = await (await transaction.submit()).getStatus()
    const again = await (await transaction.submit()).getStatus()
    expect(again).toEqual(first)
  })
})

describe('Discovery', () => {
  it('Submit succeeds with sufficient endorsers', async () => {
    expect(await submitted(await contractOf('all'), 'echo', 'conga')).toBe('conga')
  })
})

describe('Specify endorsing organizations', () => {
  const by = (...endorsingOrganizations: string[]) => ({ endorsingOrganizations })

  it.each(['Org1MSP', 'Org2MSP', 'Org3MSP'])('Submit to %s', async (mspId) => {
    expect(text(await (await contractOf('private')).submit('getPeerOrg', by(mspId)))).toBe(mspId)
  })

  it('Submit to org1 and org3', async () => {
    const transientData = { Org1MSP: 'value1', Org3MSP: 'value2' }
    const result = await (await contractOf('private')).submit('checkEndorsingOrg', { ...by('Org1MSP', 'Org3MSP'), transientData })
    expect(text(result)).toBe('success')
  })

  it.each(['Org1MSP', 'Org2MSP'])('Evaluate on %s', async (mspId) => {
    expect(text(await (await contractOf('private')).evaluate('getPeerOrg', by(mspId)))).toBe(mspId)
  })
})

describe('Off-line signing', () => {
  /** A client without a signer, and what signs for its user elsewhere. */
  async function withoutSigner() {
    const access = await net.gateway('Org1')
    const client = new Client(access.endpoint, credentials.createSsl(access.tlsRootCertificate))
    const gateway = connect({ client, identity: access.identity, hash: access.hash })
    const close = (): void => {
      gateway.close()
      client.close()
    }
    return { gateway, basic: gateway.getNetwork(net.channelId).getContract('basic'), sign: access.signer, close }
  }

  it.each(['evaluate', 'submit'] as const)('%s fails without signing', async (how) => {
    const { basic, close } = await withoutSigner()
    const work = how === 'evaluate' ? basic.evaluateTransaction('echo', 'conga') : basic.submitTransaction('echo', 'conga')
    await expect(work).rejects.toThrow(/sign/)
    close()
  })

  it('Evaluate succeeds with off-line signing', async () => {
    const { gateway, basic, sign, close } = await withoutSigner()
    const unsigned = basic.newProposal('echo', { arguments: ['conga'] })
    const proposal = gateway.newSignedProposal(unsigned.getBytes(), await sign(unsigned.getDigest()))
    expect(text(await proposal.evaluate())).toBe('conga')
    close()
  })

  it('Submit succeeds with off-line signing', async () => {
    const { gateway, basic, sign, close } = await withoutSigner()
    const unsigned = basic.newProposal('echo', { arguments: ['conga'] })
    const proposal = gateway.newSignedProposal(unsigned.getBytes(), await sign(unsigned.getDigest()))
    const endorsed = await proposal.endorse()
    const transaction = gateway.newSignedTransaction(endorsed.getBytes(), await sign(endorsed.getDigest()))
    const sent = await transaction.submit()
    expect(text(sent.getResult())).toBe('conga')
    const commit = gateway.newSignedCommit(sent.getBytes(), await sign(sent.getDigest()))
    expect(await commit.getStatus()).toMatchObject({ successful: true, transactionId: unsigned.getTransactionId() })
    close()
  })
})

describe('Errors', () => {
  it('Evaluate fails with incorrect arguments', async () => {
    const failure = await failureOf((await contractOf('errors')).evaluateTransaction('exists'))
    expect(failure.code).toBe(status.UNKNOWN)
    expect(failure.message).toContain(
      'evaluate call to endorser returned error: chaincode response 500, Expected 1 parameters, but 0 have been supplied',
    )
  })

  it('Submit fails with incorrect chaincode name', async () => {
    const failure = await failureOf((await contractOf('nonexistent')).submitTransaction('exists'))
    expect(failure.code).toBe(status.FAILED_PRECONDITION)
    expect(failure.message).toContain(
      'no combination of peers can be derived which satisfy the endorsement policy: No metadata was found for chaincode nonexistent in channel mychannel',
    )
  })

  it('Submit fails with incorrect transaction name', async () => {
    const failure = await failureOf((await contractOf('errors')).submitTransaction('nonexistent'))
    expect(failure.code).toBe(status.ABORTED)
    expect(failure.message).toContain('failed to endorse transaction, see attached details for more info')
    const message = "chaincode response 500, You've asked to invoke a function that does not exist: nonexistent"
    expect(failure.details).toEqual(saidBy(net, ['Org1MSP'], () => message))
  })

  it('Evaluate with signer from unauthorized MSP', async () => {
    const org1 = await net.gateway('Org1')
    const org3 = await net.gateway('Org3')
    const client = new Client(org1.endpoint, credentials.createSsl(org1.tlsRootCertificate))
    const gateway = connect({ client, identity: org1.identity, signer: org3.signer, hash: org1.hash })
    const errors = gateway.getNetwork(net.channelId).getContract('errors')
    const failure = await failureOf(errors.evaluateTransaction('exists', '123'))
    gateway.close()
    client.close()
    expect(failure.code).toBe(status.FAILED_PRECONDITION)
    const said = 'error validating proposal: access denied: channel [mychannel] creator org [Org1MSP]'
    expect(failure.message).toContain(`evaluate call to endorser returned error: ${said}`)
    expect(failure.details).toEqual([[portOf(org1.endpoint), 'Org1MSP', expect.stringContaining(said)]])
  })

  it('Org3 fails to evaluate', async () => {
    const failure = await failureOf((await contractOf('errors')).evaluateTransaction('orgsFail', '["Org1MSP"]'))
    expect(failure.code).toBe(status.UNKNOWN)
    expect(failure.message).toContain('evaluate call to endorser returned error: chaincode response 500, Org1MSP refuses to endorse this')
  })

  it.each([
    ['Org3 fails to endorse', ['Org3MSP']],
    ['Org2 and Org3 fail to endorse', ['Org2MSP', 'Org3MSP']],
  ])('%s', async (_, refusing) => {
    const failure = await failureOf((await contractOf('errors')).submitTransaction('orgsFail', JSON.stringify(refusing)))
    expect(failure.code).toBe(status.ABORTED)
    expect(failure.message).toContain('failed to collect enough transaction endorsements, see attached details for more info')
    expect(failure.details).toEqual(saidBy(net, refusing, (mspId) => `chaincode response 500, ${mspId} refuses to endorse this`))
  })

  it('Submit non-deterministic transaction', async () => {
    const failure = await failureOf((await contractOf('errors')).submitTransaction('nondet'))
    expect(failure.code).toBe(status.ABORTED)
    expect(failure.message).toContain('failed to collect enough transaction endorsements')
    expect(failure.details).toEqual(saidBy(net, ['Org2MSP', 'Org3MSP'], () => 'ProposalResponsePayloads do not match'))
  })

  it('Submit fails with insufficient endorsers (discovery)', async () => {
    await net.faults.kill('peer0.org3.example.com')
    try {
      await expect(submitted(await contractOf('all'), 'echo', 'conga')).rejects.toThrow(/endors/)
      expect(await submitted(await contractOf('basic'), 'echo', 'conga')).toBe('conga')
    } finally {
      await net.faults.revive('peer0.org3.example.com')
    }
    await expect.poll(async () => await submitted(await contractOf('all'), 'echo', 'again').catch(() => '')).toBe('again')
  })
})
