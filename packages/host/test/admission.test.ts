import { connectionManager } from '@kumiko/connection-manager'
import type { HostOptions } from '@kumiko/host'
import type { Admission, ConnectionFilter, Host } from '@kumiko/interface'
import { isRefusal } from '@kumiko/interface'
import type { ConnectionGater } from '@libp2p/interface'
import { afterEach, expect, test } from 'vitest'
import { addressOf, startHost } from './nodes.ts'

const running: Host[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()))
})

async function start(options: HostOptions = {}): Promise<Host> {
  const host = await startHost(options)
  running.push(host)
  return host
}

/** A connection manager part whose tickets are counted: how many are held. */
function counted(options: Parameters<typeof connectionManager>[0] = {}): {
  part: NonNullable<HostOptions['connectionManager']>
  held(): number
} {
  const held = new Set<object>()
  const part: NonNullable<HostOptions['connectionManager']> = (components) => {
    const manager = connectionManager(options)(components)
    const begin = manager.admission.begin.bind(manager.admission)
    manager.admission.begin = ((attempt) => {
      const ticket = begin(attempt)
      if (isRefusal(ticket)) return ticket
      held.add(ticket)
      const release = ticket.release.bind(ticket)
      ticket.release = () => {
        held.delete(ticket)
        release()
      }
      return ticket
    }) satisfies Admission['begin'] as typeof manager.admission.begin
    return manager
  }
  return { part, held: () => held.size }
}

const OUTBOUND = [
  'denyDialPeer',
  'denyDialMultiaddr',
  'denyOutboundConnection',
  'denyOutboundEncryptedConnection',
  'denyOutboundUpgradedConnection',
]
const INBOUND = ['denyInboundConnection', 'denyInboundEncryptedConnection', 'denyInboundUpgradedConnection']

test.each([...OUTBOUND, ...INBOUND] as (keyof ConnectionGater)[])(
  'the gater’s %s is asked, and its denial gives the slot back',
  async (hook) => {
    let asked = 0
    const connectionGater: ConnectionGater = {
      [hook]: async () => {
        asked++
        return true
      },
    }
    const { part, held } = counted()
    const gated = await start({ connectionGater, connectionManager: part })
    const other = await start()
    if (OUTBOUND.includes(hook)) await expect(gated.dial(addressOf(other))).rejects.toThrow()
    else await other.dial(addressOf(gated)).catch(() => {})
    await expect.poll(() => [asked, held(), gated.getConnections().length, other.getConnections().length]).toEqual([1, 0, 0, 0])
  },
)

test('a gater that denies nothing is asked at every stage, once each', async () => {
  const asked: string[] = []
  const gater = (): ConnectionGater =>
    Object.fromEntries(
      [...OUTBOUND, ...INBOUND].map((hook) => [
        hook,
        () => {
          asked.push(hook)
          return false
        },
      ]),
    )
  const a = await start({ connectionGater: gater() })
  const b = await start({ connectionGater: gater() })
  await a.dial(addressOf(b))
  await expect.poll(() => b.getConnections().length).toBe(1)
  expect(asked.filter((hook) => OUTBOUND.includes(hook))).toEqual(OUTBOUND)
  expect(asked.filter((hook) => INBOUND.includes(hook))).toEqual(INBOUND)
})

test.each(['dial', 'accept', 'encrypted', 'upgraded'] as const)('a filter that denies at %s gives the slot back', async (stage) => {
  const asked: string[] = []
  const filter: ConnectionFilter = (at) => {
    asked.push(at.stage)
    return at.stage === stage ? 'deny' : undefined
  }
  const { part, held } = counted({ filters: [filter] })
  const host = await start({ connectionManager: part })
  const other = await start()
  if (stage === 'accept') await other.dial(addressOf(host)).catch(() => {})
  else await expect(host.dial(addressOf(other))).rejects.toThrow()
  await expect.poll(() => [asked.includes(stage), held(), host.getConnections().length]).toEqual([true, 0, 0])
  expect(host.connectionManager.peers()).toEqual([])
})

test('a ticket is held while the connection is open, one a connection', async () => {
  const { part, held } = counted()
  const host = await start({ connectionManager: part })
  const other = await start()
  await other.dial(addressOf(host))
  await expect.poll(() => [held(), host.connectionManager.peers().length]).toEqual([1, 1])
  await host.dial(other.peerId)
  expect(held()).toBe(1)
  await other.hangUp(host.peerId)
  await expect.poll(() => [held(), host.connectionManager.peers().length]).toEqual([0, 0])
})

test('who is full refuses, and has room again when one goes', async () => {
  const { part, held } = counted({ maxPeers: 1, limits: {} })
  const host = await start({ connectionManager: part })
  const [first, second] = [await start(), await start()]
  await host.dial(addressOf(first))
  await expect(host.dial(addressOf(second))).rejects.toThrow()
  expect(held()).toBe(1)
  await host.hangUp(first.peerId)
  await expect.poll(held).toBe(0)
  await host.dial(addressOf(second))
  expect(host.getPeers().map(String)).toEqual([second.peerId.toString()])
})

test('bytes of libp2p connections are counted', async () => {
  const host = await start()
  const other = await start()
  await host.handle('/echo/1', async (stream) => {
    for await (const data of stream) stream.send(data)
  })
  const stream = await (await other.dial(addressOf(host))).newStream('/echo/1')
  stream.send(new Uint8Array(50_000))
  await expect.poll(() => host.connectionManager.traffic().bytesReceived).toBeGreaterThan(50_000)
  await expect.poll(() => host.connectionManager.traffic().bytesSent).toBeGreaterThan(50_000)
})
