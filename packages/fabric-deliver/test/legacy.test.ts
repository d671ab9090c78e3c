import { join } from 'node:path'
import { GrpcClient, GrpcListener, type UnaryMethod } from '@kumiko/fabric-grpc'
import { accessControl, type LocalMsp, loadLocalMsp } from '@kumiko/fabric-msp'
import { buildEnvelope, Envelope } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN, AdminOperation } from '../src/legacy/admin-messages.ts'
import { adminService } from '../src/legacy/admin-service.ts'
import { eventHub } from '../src/legacy/event-hub.ts'
import { EventType, eventChat, HubEvent, type Interest, SignedEvent } from '../src/legacy/event-messages.ts'
import { CHANNEL, goldenOrderer, goldenUser } from './golden.ts'
import { ServedChannel } from './served-channel.ts'

let admin: LocalMsp
let user: LocalMsp
let orderer: LocalMsp
beforeAll(async () => {
  admin = await loadLocalMsp(join(GOLDEN, 'crypto/peerOrganizations/org1.example.com/users/Admin@org1.example.com/msp'), {
    mspId: 'Org1MSP',
  })
  user = await goldenUser()
  orderer = await goldenOrderer()
})

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function connectTo(listener: GrpcListener): Promise<GrpcClient> {
  await listener.start()
  open.push(() => listener.stop(50))
  const client = new GrpcClient({ address: listener.address })
  open.push(() => client.close())
  return client
}

describe('the administration service of old', () => {
  async function start(): Promise<
    <Response extends object>(
      method: UnaryMethod<Envelope, Response>,
      operation?: Partial<AdminOperation>,
      signer?: LocalMsp,
      header?: object,
    ) => Promise<Response>
  > {
    const logs = {
      spec: 'info',
      activate(spec: string) {
        if (spec.includes('loud')) return `invalid logging specification '${spec}'`
        logs.spec = spec
        return
      },
      levelOf: (module: string) => (logs.spec.includes(`${module}=debug`) ? 'debug' : 'info'),
    }
    const client = await connectTo(new GrpcListener({ listen: '127.0.0.1:0' }).add(...adminService({ localMsp: admin.msp, logs })))
    return (method, operation = {}, signer = admin, header = {}) => {
      const timestamp = { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 }
      const bytes = buildEnvelope({ type: 8, timestamp, ...header }, AdminOperation.encode(operation), new Uint8Array(24), signer)
      return client.call(method, must(Envelope.decode(bytes)))
    }
  }

  it('tells the status, and takes log levels', async () => {
    const ask = await start()
    expect(await ask(ADMIN.getStatus)).toEqual({ status: 1 })
    expect(await ask(ADMIN.startServer)).toEqual({ status: 1 })
    expect(await ask(ADMIN.getLogSpec)).toEqual({ logSpec: 'info', error: '' })
    const gossip = { logModule: 'gossip', logLevel: 'debug' }
    expect(await ask(ADMIN.setModuleLogLevel, { logLevel: gossip })).toEqual({ logModule: 'gossip', logLevel: 'DEBUG' })
    expect(await ask(ADMIN.getModuleLogLevel, { logLevel: { ...gossip, logLevel: '' } })).toEqual(gossip)
    expect(await ask(ADMIN.getLogSpec)).toEqual({ logSpec: 'info:gossip=debug', error: '' })
    expect(await ask(ADMIN.setLogSpec, { logSpec: { logSpec: 'warn' } })).toEqual({ logSpec: 'warn', error: '' })
    expect(await ask(ADMIN.setLogSpec, { logSpec: { logSpec: 'loud' } })).toEqual({
      logSpec: 'loud',
      error: "invalid logging specification 'loud'",
    })
    expect(await ask(ADMIN.revertLogLevels)).toEqual({})
    expect(await ask(ADMIN.getLogSpec)).toEqual({ logSpec: 'info', error: '' })
  })

  it('serves administrators alone, and now', async () => {
    const ask = await start()
    await expect(ask(ADMIN.getStatus, {}, user)).rejects.toThrow('access denied')
    await expect(ask(ADMIN.getStatus, {}, orderer)).rejects.toThrow('access denied')
    await expect(ask(ADMIN.getStatus, {}, admin, { timestamp: { seconds: 1n, nanos: 0 } })).rejects.toThrow('access denied')
    await expect(ask(ADMIN.getStatus, {}, admin, { timestamp: undefined })).rejects.toThrow('empty timestamp')
    await expect(ask(ADMIN.getStatus, {}, admin, { type: 3 })).rejects.toThrow('bad request')
    await expect(ask(ADMIN.setLogSpec)).rejects.toThrow('request is nil')
    await expect(ask(ADMIN.setModuleLogLevel, { logLevel: { logModule: 'a', logLevel: 'loud' } })).rejects.toThrow(
      /^error setting log spec to/,
    )
  })
})

describe('the event hub of old', () => {
  interface Hub {
    readonly channel: ServedChannel
    send(event: Partial<HubEvent>, signer?: LocalMsp): void
    next(): Promise<HubEvent>
  }

  async function start(height: number): Promise<Hub> {
    const channel = new ServedChannel(height)
    const find = (channelId: string): ServedChannel | undefined => (channelId === CHANNEL ? channel : undefined)
    const access = accessControl({ localMsp: user.msp, channel: (channelId) => find(channelId)?.bundle })
    const hub = eventHub({ channel: find, channels: () => [CHANNEL], access })
    const stream = (await connectTo(new GrpcListener({ listen: '127.0.0.1:0' }).add(...hub))).duplex(eventChat)
    const messages = stream.messages[Symbol.asyncIterator]()
    return {
      channel,
      send: (event, signer = user) => {
        const timestamp = { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 }
        const eventBytes = HubEvent.encode({ creator: signer.creator, timestamp, ...event })
        stream.send({ eventBytes, signature: signer.sign(eventBytes) })
      },
      next: async () => {
        const next = await messages.next()
        if (next.done === true) throw new Error('ended')
        return next.value
      },
    }
  }

  const interest = (eventType: number, chaincodeId?: string, eventName = ''): Interest => ({
    eventType,
    chaincode: chaincodeId === undefined ? undefined : { chaincodeId, eventName },
    channelId: '',
  })

  it('tells of blocks, refused transactions and what chaincode told, from the next block on', async () => {
    const rejected = must(goldenBlocks().find(({ number, txs }) => number > 4 && txs.some(({ validationCode }) => validationCode === 11)))
    const hub = await start(rejected.number)
    hub.send({ register: { events: [interest(EventType.block), interest(EventType.rejection), interest(9)] } })
    expect((await hub.next()).register?.events).toHaveLength(3)
    hub.channel.grow()
    expect((await hub.next()).block?.header?.number).toBe(BigInt(rejected.number))
    for (const { validationName } of rejected.txs.filter(({ validationCode }) => validationCode !== 0)) {
      expect((await hub.next()).rejection?.errorMessage).toBe(validationName)
    }
    hub.send({ unregister: { events: [interest(EventType.block), interest(EventType.rejection)] } })
    expect((await hub.next()).unregister?.events).toHaveLength(2)
    hub.send({ register: { events: [interest(EventType.filteredBlock)] } })
    await hub.next()
    hub.channel.grow()
    expect((await hub.next()).filteredBlock?.number).toBe(BigInt(rejected.number + 1))
  })

  it('tells what a chaincode told, by its name', async () => {
    const hub = await start(4)
    hub.send({ register: { events: [interest(EventType.chaincode, 'golden'), interest(EventType.chaincode, 'other')] } })
    await hub.next()
    hub.channel.grow(50)
    const { chaincodeEvent } = await hub.next()
    expect(chaincodeEvent?.chaincodeId).toBe('golden')
    expect(chaincodeEvent?.payload.length).toBeGreaterThan(0)
  })

  it('tells nothing to who may read nothing, or says it late, or falsely', async () => {
    const events = { register: { events: [interest(EventType.block)] } }
    const refused = async (event: Partial<HubEvent>, signer?: LocalMsp): Promise<string> => {
      const hub = await start(4)
      hub.send(event, signer)
      return await hub.next().then(
        () => 'served',
        (error: unknown) => String(error),
      )
    }
    expect(await refused(events)).toBe('served')
    expect(await refused(events, orderer)).toMatch('the creator may read no channel')
    expect(await refused({ ...events, creator: orderer.creator })).toMatch('the creator may read no channel')
    expect(await refused({ ...events, timestamp: { seconds: 1n, nanos: 0 } })).toMatch('must be within 15m0s of current server time')
    expect(await refused({ chaincodeEvent: { chaincodeId: 'a', txId: '', eventName: '', payload: new Uint8Array() } })).toMatch(
      'invalid type',
    )
    expect(SignedEvent.name).toBe('protos.SignedEvent')
  })
})
