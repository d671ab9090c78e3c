import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import fabric from '@hyperledger/fabric-protos'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { SnapshotRequests } from '@kumiko/fabric-ledger'
import { accessControl, type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { GOLDEN } from '@kumiko/golden-channel'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { snapshotService } from '../src/snapshot/snapshot-service.ts'
import { CHANNEL, goldenUser } from './golden.ts'

const { common, peer } = fabric

let admin: LocalMsp
let user: LocalMsp
beforeAll(async () => {
  admin = await loadLocalMsp(join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/users/Admin@org1.example.com/msp'), {
    mspId: 'Org1MSP',
  })
  user = await goldenUser()
})

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type Asked = InstanceType<typeof peer.SnapshotRequest> | InstanceType<typeof peer.SnapshotQuery>

function signed(request: Asked, signer: LocalMsp): InstanceType<typeof peer.SignedSnapshotRequest> {
  const bytes = request.serializeBinary()
  const envelope = new peer.SignedSnapshotRequest()
  envelope.setRequest(bytes)
  envelope.setSignature(signer.sign(bytes))
  return envelope
}

function requestOf(blockNumber: number, signer: LocalMsp, channelId = CHANNEL): InstanceType<typeof peer.SignedSnapshotRequest> {
  const [request, header] = [new peer.SnapshotRequest(), new common.SignatureHeader()]
  header.setCreator(signer.creator)
  request.setSignatureHeader(header)
  request.setChannelId(channelId)
  request.setBlockNumber(blockNumber)
  return signed(request, signer)
}

function queryOf(signer: LocalMsp): InstanceType<typeof peer.SignedSnapshotRequest> {
  const [query, header] = [new peer.SnapshotQuery(), new common.SignatureHeader()]
  header.setCreator(signer.creator)
  query.setSignatureHeader(header)
  query.setChannelId(CHANNEL)
  return signed(query, signer)
}

describe('the snapshot service', () => {
  it("takes requests of administrators, by Fabric's own client, and tells what is wrong in Fabric's words", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-snapshots-'))
    open.push(() => rm(folder, { recursive: true }))
    const requests = await SnapshotRequests.open(folder)
    const taken: bigint[] = []
    const snapshots = {
      get pending() {
        return requests.pending
      },
      submit: (number: bigint, height: bigint) => requests.submit(number, height),
      cancel: (number: bigint) => requests.cancel(number),
      fulfil: async () => await requests.fulfil(10n, async (number) => taken.push(number)),
    }
    const channel = { height: 10n, ledger: {}, snapshots }
    const access = accessControl({ localMsp: admin.msp, channel: () => undefined })
    const listener = new GrpcListener({ listen: '127.0.0.1:0' })
    listener.add(...snapshotService({ channel: (channelId) => (channelId === CHANNEL ? channel : undefined), access }))
    await listener.start()
    open.push(() => listener.stop(50))
    const client = new peer.SnapshotClient(listener.address, credentials.createInsecure())
    open.push(() => client.close())
    const ask = (method: 'generate' | 'cancel', request: InstanceType<typeof peer.SignedSnapshotRequest>): Promise<string> =>
      new Promise((resolve) => client[method](request, (error) => resolve(error?.details ?? 'done')))
    const pending = (signer: LocalMsp): Promise<string | number[]> =>
      new Promise((resolve) =>
        client.queryPendings(queryOf(signer), (error, answer) => resolve(error?.details ?? answer?.getBlockNumbersList() ?? [])),
      )

    expect(await ask('generate', requestOf(300, admin))).toBe('done')
    expect(await ask('generate', requestOf(20, admin))).toBe('done')
    expect(await pending(admin)).toEqual([20, 300])
    expect(await ask('generate', requestOf(20, admin))).toBe('duplicate snapshot request for block number 20')
    expect(await ask('generate', requestOf(3, admin))).toBe(
      'requested snapshot for block number 3 cannot be less than the last committed block number 9',
    )
    expect(await ask('cancel', requestOf(21, admin))).toBe('no snapshot request exists for block number 21')
    expect(await ask('cancel', requestOf(20, admin))).toBe('done')
    expect(await ask('generate', requestOf(0, admin))).toBe('done')
    await expect.poll(() => pending(admin)).toEqual([300])
    expect(taken).toEqual([9n])

    expect(await ask('generate', requestOf(30, user))).toMatch(
      /^failed verifying that the signed data identity satisfies local MSP principal/,
    )
    expect(await pending(user)).toMatch(/The identity is not an admin under this MSP \[Org1MSP\]/)
    expect(await ask('generate', requestOf(30, admin, 'other'))).toBe('cannot find ledger for channel other')
    expect(await ask('generate', requestOf(30, admin, ''))).toBe('missing channel ID')
    expect(await ask('generate', signed(new peer.SnapshotRequest(), admin))).toBe('missing signature header')
    const forged = requestOf(30, admin)
    forged.setSignature(user.sign(new Uint8Array(1)))
    expect(await ask('generate', forged)).toBe('The signature is invalid')
    const malformed = new peer.SignedSnapshotRequest()
    malformed.setRequest(Uint8Array.of(255))
    expect(await ask('generate', malformed)).toMatch(/^failed to unmarshal snapshot request/)
  })
})
