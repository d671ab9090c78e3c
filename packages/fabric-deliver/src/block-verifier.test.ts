import { join } from 'node:path'
import { type LocalMsp, loadLocalMsp, parsePolicy } from '@kumiko/fabric-msp'
import { type Block, OrdererAddresses, SignaturePolicyEnvelope, withMetadata } from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { blockAfter, configTransaction, transaction, within } from '../test/chain.ts'
import { goldenBlock, goldenBundle, goldenOrderer, goldenUser, ordererTls } from '../test/golden.ts'
import { blockVerifier } from './block-verifier.ts'

const NOT_SATISFIED = 'fabric-msp/policy-not-satisfied'
const last = goldenBlock(GOLDEN_HEIGHT - 1)

describe('the verifier of blocks', () => {
  let orderer: LocalMsp
  let user: LocalMsp
  let admin: LocalMsp

  beforeAll(async () => {
    orderer = await goldenOrderer()
    user = await goldenUser()
    admin = await loadLocalMsp(join(GOLDEN, 'crypto/ordererOrganizations/example.com/users/Admin@example.com/msp'), { mspId: 'OrdererMSP' })
  })

  it('takes the recorded channel from its first configuration on', () => {
    const verifier = blockVerifier(goldenBundle())
    for (let number = 1; number < GOLDEN_HEIGHT; number++)
      expect([number, verifier.verify(goldenBlock(number))]).toEqual([number, undefined])
    // As of block 52.
    expect(verifier.endpoints).toEqual([{ address: '127.0.0.1:7050', tlsRoots: [ordererTls.root] }])
  })

  it('takes nothing that is not signed, of another channel, of no channel, or in another form', () => {
    const verifier = blockVerifier(goldenBundle(52))
    const judge = (block: Block): string | undefined => verifier.verify(block)?.fault
    const sound = transaction(user)
    expect(judge(blockAfter(last.header, [sound], orderer))).toBeUndefined()
    expect(judge(blockAfter(last.header, [sound], user))).toBe(NOT_SATISFIED)
    expect(judge(withMetadata(blockAfter(last.header, [sound], orderer), 0, new Uint8Array()))).toBe(NOT_SATISFIED)
    expect(judge(blockAfter(last.header, [transaction(user, 10, 'other')], orderer))).toBe('fabric-deliver/other-channel')
    expect(judge(blockAfter(last.header, [], orderer))).toBe('fabric-protocol/empty-block')
    expect(judge(blockAfter(last.header, [Uint8Array.of(0xff)], orderer))).toBe('fabric-protocol/bad-envelope')
    expect(judge(blockAfter(last.header, [Uint8Array.of(0x0a, 1, 0xff)], orderer))).toBe('fabric-protocol/bad-payload')
    expect(judge(blockAfter(last.header, [sound, Uint8Array.of(0xff)], orderer))).toBe('fabric-protocol/bad-form')
    expect(judge(blockAfter(last.header, [Uint8Array.from([...sound, 0x0a, 0])], orderer))).not.toBeUndefined()
  })

  it('follows a configuration block in who must sign, and where orderers are', () => {
    const bundle = goldenBundle(52)
    const policy = SignaturePolicyEnvelope.encode(parsePolicy("OR('Org1MSP.client')"))
    const transaction52 = configTransaction(
      bundle,
      (root) =>
        within(
          within(root, ['Orderer'], (group) => ({
            ...group,
            policies: new Map(group.policies).set('BlockValidation', {
              ...must(group.policies.get('BlockValidation')),
              policy: { type: 1, value: policy },
            }),
          })),
          ['Orderer', 'OrdererOrg'],
          (group) => ({
            ...group,
            values: new Map(group.values).set('Endpoints', {
              ...must(group.values.get('Endpoints')),
              value: OrdererAddresses.encode({ addresses: ['a:1', 'b:2'] }),
            }),
          }),
        ),
      [admin],
      orderer,
    )
    const config = blockAfter(last.header, [transaction52], orderer)
    const verifier = blockVerifier(bundle, { tls: false, overrides: new Map([['b:2', { address: 'c:3', serverNameOverride: 'b' }]]) })
    // The block itself is for those of before.
    expect(verifier.verify(blockAfter(last.header, [transaction52], user))?.fault).toBe(NOT_SATISFIED)
    expect(verifier.endpoints).toBeUndefined()
    expect(verifier.verify(config)).toBeUndefined()
    expect(verifier.endpoints).toEqual([{ address: 'a:1' }, { address: 'c:3', serverNameOverride: 'b' }])
    const sound = transaction(user)
    expect(verifier.verify(blockAfter(config.header, [sound], orderer))?.fault).toBe(NOT_SATISFIED)
    expect(verifier.verify(blockAfter(config.header, [sound], user))).toBeUndefined()
  })

  it('goes on as before after a configuration block that is not valid', () => {
    // Block 52 is of the configuration before it: it cannot come again.
    const verifier = blockVerifier(goldenBundle(52))
    const [again] = goldenBlock(52).data
    expect(verifier.verify(blockAfter(last.header, [must(again)], orderer))).toBeUndefined()
    expect(verifier.endpoints).toBeUndefined()
    expect(verifier.verify(blockAfter(last.header, [transaction(user)], orderer))).toBeUndefined()
  })
})
