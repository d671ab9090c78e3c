import { join } from 'node:path'
import fabric from '@hyperledger/fabric-protos'
import { FabricMspConfig } from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT, goldenBlocks, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { beforeAll, describe, expect, it } from 'vitest'
import type { FabricIdentity, MspManager } from '../src/contract.ts'
import { derElement, derUnsigned, TAG } from '../src/der.ts'
import type { X509Identity } from '../src/identity.ts'
import { readMspConfig, X509Msp } from '../src/msp.ts'
import { loadLocalMsp, loadMspFolder } from '../src/msp-folder.ts'
import { createMspManager } from '../src/msp-manager.ts'

const { common, msp: mspProtos, peer } = fabric
const ORG1 = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com')
const ORDERER = join(GOLDEN, 'crypto/ordererOrganizations/example.com')
const ENDORSER_TRANSACTION = 3
const BAD_CREATOR_SIGNATURE = 4
const ENDORSEMENT_POLICY_FAILURE = 10

describe('the recorded channel', () => {
  let manager: MspManager

  beforeAll(() => {
    manager = createMspManager([...mspConfigsOf(peerBlock(0))].map(mspFrom))
  })

  it('has MSPs that can be set up', () => {
    expect(manager.msp('Org1MSP')).toBeInstanceOf(X509Msp)
    expect(manager.msp('OrdererMSP')).toBeInstanceOf(X509Msp)
    expect(manager.msp('Org2MSP')).toBeUndefined()
  })

  it('is signed by its creators, but for the transactions that the peer refused for that', () => {
    const wrong: string[] = []
    const expected: string[] = []
    let count = 0
    for (const { name, code, envelope, creator } of transactions()) {
      if (code === BAD_CREATOR_SIGNATURE) expected.push(name)
      const identity = creator === undefined ? undefined : identityFrom(manager, creator)
      if (identity === undefined) continue
      count++
      if (!identity.verify(envelope.getPayload_asU8(), envelope.getSignature_asU8())) wrong.push(name)
      expect(identity.validate()).toBeUndefined()
    }
    expect(count).toBeGreaterThan(60)
    expect(wrong).toEqual(expected)
  })

  it('is endorsed by peers; what was tampered with is not', () => {
    let count = 0
    for (const { code, endorsements, name } of transactions()) {
      const verified = endorsements.map(({ endorser, signed, signature }) => {
        const identity = identityFrom(manager, endorser)
        expect(identity.satisfies({ kind: 'role', mspId: 'Org1MSP', role: 'peer' })).toBe(true)
        expect(identity.satisfies({ kind: 'role', mspId: 'Org1MSP', role: 'client' })).toBe(false)
        return identity.verify(signed, signature)
      })
      count += verified.length
      if (code === 0) expect([name, verified]).toEqual([name, verified.map(() => true)])
      if (verified.includes(false)) expect([name, code]).toEqual([name, ENDORSEMENT_POLICY_FAILURE])
    }
    expect(count).toBeGreaterThan(60)
  })

  it('has blocks signed by an orderer', () => {
    for (let number = 1; number < GOLDEN_HEIGHT; number++) {
      const block = common.Block.deserializeBinary(peerBlock(number))
      const metadata = common.Metadata.deserializeBinary(block.getMetadata()!.getMetadataList_asU8()[0]!)
      const [signature] = metadata.getSignaturesList()
      const header = common.SignatureHeader.deserializeBinary(signature!.getSignatureHeader_asU8())
      const orderer = identityFrom(manager, header.getCreator_asU8())
      expect(orderer.mspId).toBe('OrdererMSP')
      expect(orderer.satisfies({ kind: 'role', mspId: 'OrdererMSP', role: 'orderer' })).toBe(true)
      const signed = [metadata.getValue_asU8(), signature!.getSignatureHeader_asU8(), headerBytes(block)]
      expect(orderer.verify(new Uint8Array(Buffer.concat(signed)), signature!.getSignature_asU8())).toBe(true)
    }
  })
})

describe('the recorded folders', () => {
  it('yield signers whose signatures the channel knows', async () => {
    const { identity, sign, msp } = await loadLocalMsp(join(ORG1, 'users/Admin@org1.example.com/msp'), { mspId: 'Org1MSP' })
    const manager = createMspManager([...mspConfigsOf(peerBlock(0))].map(mspFrom))
    const seen = identityFrom(manager, identity.serialized)
    const message = new TextEncoder().encode('hello')
    for (let i = 0; i < 20; i++) expect(seen.verify(message, sign(message))).toBe(true)
    expect(seen.verify(new TextEncoder().encode('hullo'), sign(message))).toBe(false)
    expect(seen.id).toBe(identity.id)
    expect(seen.satisfies({ kind: 'role', mspId: 'Org1MSP', role: 'admin' })).toBe(true)
    expect(msp.tlsRootCerts).toHaveLength(1)
  })

  it('tell roles apart', async () => {
    const roles = ['member', 'admin', 'client', 'peer', 'orderer'] as const
    const rolesOf = async (folder: string, mspId: string) => {
      const { identity } = await loadLocalMsp(folder, { mspId })
      return roles.filter((role) => identity.satisfies({ kind: 'role', mspId, role }))
    }
    expect(await rolesOf(join(ORG1, 'users/User1@org1.example.com/msp'), 'Org1MSP')).toEqual(['member', 'client'])
    expect(await rolesOf(join(ORG1, 'users/Admin@org1.example.com/msp'), 'Org1MSP')).toEqual(['member', 'admin'])
    expect(await rolesOf(join(ORG1, 'peers/peer0.org1.example.com/msp'), 'Org1MSP')).toEqual(['member', 'peer'])
    expect(await rolesOf(join(ORDERER, 'orderers/orderer.example.com/msp'), 'OrdererMSP')).toEqual(['member', 'orderer'])
  })

  it('know strangers', async () => {
    const org1 = await loadMspFolder(join(ORG1, 'msp'), { mspId: 'Org1MSP' })
    const { identity } = await loadLocalMsp(join(ORDERER, 'users/Admin@example.com/msp'), { mspId: 'OrdererMSP' })
    expect(org1.deserialize(identity.serialized)).toEqual({ fault: 'fabric-msp/wrong-msp', detail: 'of OrdererMSP' })
    expect(org1.identityFrom(pemOf(identity))).toMatchObject({ fault: 'fabric-msp/no-chain' })
  })

  it('say what is wrong and how to mend it', async () => {
    await expect(loadMspFolder(join(ORG1, 'tlsca'), { mspId: 'Org1MSP' })).rejects.toMatchObject({
      code: 'fabric-msp/bad-folder',
      message: expect.stringMatching(/tlsca: it has no folder cacerts: give another, or put the root CAs there/),
    })
    await expect(loadLocalMsp(join(ORG1, 'msp'), { mspId: 'Org1MSP' })).rejects.toMatchObject({
      code: 'fabric-msp/bad-folder',
      message: expect.stringMatching(/it has no folder signcerts, as one of an organisation/),
    })
    const inFarFuture = loadLocalMsp(join(ORG1, 'users/User1@org1.example.com/msp'), { mspId: 'Org1MSP', now: Date.UTC(2040, 1) })
    await expect(inFarFuture).rejects.toThrow(/has expired: enrol again/)
  })
})

interface Transaction {
  readonly name: string
  readonly code: number
  readonly envelope: fabric.common.Envelope
  readonly creator: Uint8Array | undefined
  readonly endorsements: readonly { readonly endorser: Uint8Array; readonly signed: Uint8Array; readonly signature: Uint8Array }[]
}

function* transactions(): Generator<Transaction> {
  for (const { number, txs } of goldenBlocks()) {
    const block = common.Block.deserializeBinary(peerBlock(number))
    for (const [index, bytes] of block.getData()!.getDataList_asU8().entries()) {
      const { validationCode: code } = txs[index]!
      const envelope = parsed(() => common.Envelope.deserializeBinary(bytes))
      if (envelope === undefined || number === 0) continue
      const parts = parsed(() => partsOf(envelope)) ?? { creator: undefined, endorsements: [] }
      yield { name: `${number}/${index}`, code, envelope, ...parts }
    }
  }
}

function partsOf(envelope: fabric.common.Envelope): Pick<Transaction, 'creator' | 'endorsements'> {
  const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8())
  const header = payload.getHeader()!
  const creator = common.SignatureHeader.deserializeBinary(header.getSignatureHeader_asU8()).getCreator_asU8()
  const { type } = common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8()).toObject()
  if (type !== ENDORSER_TRANSACTION) return { creator, endorsements: [] }
  const [action] = peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList()
  const endorsed = peer.ChaincodeActionPayload.deserializeBinary(action!.getPayload_asU8()).getAction()!
  const response = endorsed.getProposalResponsePayload_asU8()
  const endorsements = endorsed.getEndorsementsList().map((endorsement) => {
    const endorser = endorsement.getEndorser_asU8()
    return { endorser, signed: new Uint8Array([...response, ...endorser]), signature: endorsement.getSignature_asU8() }
  })
  return { creator, endorsements }
}

/** Research § 3.1. */
function headerBytes(block: fabric.common.Block): Uint8Array {
  const header = block.getHeader()!
  const hashes = [header.getPreviousHash_asU8(), header.getDataHash_asU8()].map((hash) => derElement(TAG.octetString, hash))
  return derElement(TAG.sequence, derUnsigned(Uint8Array.of(header.getNumber())), ...hashes)
}

function* mspConfigsOf(block: Uint8Array): Generator<Uint8Array> {
  const [bytes] = common.Block.deserializeBinary(block).getData()!.getDataList_asU8()
  const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(bytes!).getPayload_asU8())
  const channel = common.ConfigEnvelope.deserializeBinary(payload.getData_asU8()).getConfig()!.getChannelGroup()!
  for (const name of ['Orderer', 'Application']) {
    const organizations = channel.getGroupsMap().get(name)!.getGroupsMap()
    for (const key of organizations.keys()) yield organizations.get(key)!.getValuesMap().get('MSP')!.getValue_asU8()
  }
}

function mspFrom(bytes: Uint8Array): X509Msp {
  const config = readMspConfig(bytes)
  if (isFault(config)) throw new Error(config.detail)
  expect(FabricMspConfig.encode(config)).toEqual(mspProtos.MSPConfig.deserializeBinary(bytes).getConfig_asU8())
  const msp = X509Msp.from(config, 'V1_4_3')
  if (isFault(msp)) throw new Error(`${msp.fault}: ${msp.detail}`)
  return msp
}

function identityFrom(manager: MspManager, serialized: Uint8Array): FabricIdentity {
  const identity = manager.deserialize(serialized)
  if (isFault(identity)) throw new Error(`${identity.fault}: ${identity.detail}`)
  expect(identity.serialized).toEqual(new Uint8Array(serialized))
  return identity
}

function pemOf(identity: X509Identity): Uint8Array {
  return mspProtos.SerializedIdentity.deserializeBinary(identity.serialized).getIdBytes_asU8()
}

function parsed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
