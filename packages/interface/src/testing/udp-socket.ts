import assert from 'node:assert/strict'
import { KumikoError } from '../errors.ts'
import type { PacketReceiver, UdpEndpoint, UdpPort, UdpSocket } from '../udp.ts'
import { type Subject, type SubjectFactory, type TestRunner, testWith, turns } from './runner.ts'

/** Two UDP sockets that reach each other over IPv4, each bound to one IPv4 address and to nothing else. Neither is open. */
export interface UdpSocketSubject extends Subject {
  readonly socket: UdpSocket
  readonly peer: UdpSocket
  /** Makes a socket for an address that may be taken. */
  socketAt(local: UdpEndpoint): UdpSocket
  /** Lets what was sent arrive. */
  pass(): Promise<void>
}

/** How long packets are waited for, in turns of the event loop with a `pass` in each. */
const PATIENCE_TURNS = 500

/** What holds for every {@link UdpSocket}. */
export function udpSocketContract(runner: TestRunner, factory: SubjectFactory<UdpSocketSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a UdpSocket', () => {
    test('tells where it is bound, and serves no other family', async ({ socket }) => {
      const port = await socket.open(() => true)
      const { port: number } = localOf(port)
      assert.ok(number >= 1 && number <= 65_535)
      assert.equal(port.local(6), undefined)
      assert.equal(port.send(Uint8Array.of(1), { ip: '::1', port: number }), false)
      await port.close()
    })

    test('delivers a datagram as it was sent, and tells from where', async (subject) => {
      const [inbox, receiver] = recorder()
      const [near, far] = [await subject.socket.open(() => true), await subject.peer.open(receiver)]
      const packets = [Uint8Array.of(1), new Uint8Array(0), new Uint8Array(1280).map((_, i) => i)]
      for (const packet of packets) {
        assert.equal(near.send(packet.slice(), localOf(far)), true)
        await arrival(subject, inbox)
      }
      assert.deepEqual(
        inbox.map(({ packet }) => [...packet]),
        packets.map((packet) => [...packet]),
      )
      for (const { from } of inbox) assert.deepEqual({ ...from }, { ...localOf(near) })
      await closeAll(near, far)
    })

    test('offers a datagram to its receivers in order, until one claims it', async (subject) => {
      const offered: string[] = []
      const named = (name: string, first: number | undefined) => (packet: Uint8Array) => {
        offered.push(`${name}${packet[0]}`)
        return packet[0] === first
      }
      const near = await subject.peer.open(() => true)
      const far = [
        await subject.socket.open(named('a', 1)),
        await subject.socket.open(named('b', 2)),
        await subject.socket.open(named('c', 2)),
      ]
      for (const first of [1, 2, 3]) {
        near.send(Uint8Array.of(first), localOf(far[0]))
        await until(subject, () => offered.includes(first === 3 ? 'c3' : first === 2 ? 'b2' : 'a1'))
      }
      assert.deepEqual(offered, ['a1', 'a2', 'b2', 'a3', 'b3', 'c3'])
      await closeAll(near, ...far)
    })

    test('gives every receiver the same port', async ({ socket }) => {
      const [one, other] = await Promise.all([socket.open(() => true), socket.open(() => true)])
      assert.deepEqual(one.local(4), other.local(4))
      await closeAll(one, other)
    })

    test('leaves the bytes to the receiver: no datagram is written over another', async (subject) => {
      const [inbox, receiver] = recorder()
      const [near, far] = [await subject.socket.open(() => true), await subject.peer.open(receiver)]
      for (let i = 0; i < 100; i++) {
        near.send(new Uint8Array(100).fill(i), localOf(far))
        await arrival(subject, inbox, i + 1)
      }
      for (const [i, { packet }] of inbox.entries()) assert.deepEqual([packet.length, new Set(packet)], [100, new Set([i])])
      await closeAll(near, far)
    })

    test('goes on when one of its users closes, who hears and sends nothing more', async (subject) => {
      const [early, earlyReceiver] = recorder()
      const [late, lateReceiver] = recorder()
      const near = await subject.peer.open(() => true)
      const [first, second] = [await subject.socket.open(earlyReceiver), await subject.socket.open(lateReceiver)]
      const target = localOf(first)
      await first.close()
      await first.close()
      near.send(Uint8Array.of(7), target)
      await arrival(subject, late)
      assert.deepEqual(early, [])
      assert.equal(first.send(Uint8Array.of(1), localOf(near)), false)
      await closeAll(near, second)
    })

    test('takes a closed port only for its own: it is free again, and may be opened again', async (subject) => {
      const first = await subject.socket.open(() => true)
      const local = localOf(first)
      await first.close()
      const other = await subject.socketAt(local).open(() => true)
      assert.deepEqual(other.local(4), local)
      await other.close()
      const [inbox, receiver] = recorder()
      const again = await subject.socket.open(receiver)
      const near = await subject.peer.open(() => true)
      near.send(Uint8Array.of(1), localOf(again))
      await arrival(subject, inbox)
      await closeAll(again, near)
    })

    test('refuses to open where another is bound, and may be tried again', async ({ socket, socketAt }) => {
      const first = await socket.open(() => true)
      const local = localOf(first)
      const second = socketAt(local)
      await assert.rejects(
        second.open(() => true),
        (error) => error instanceof KumikoError && error.code === 'udp/listen-failed',
      )
      await first.close()
      const port = await second.open(() => true)
      assert.deepEqual(port.local(4), local)
      await port.close()
    })
  })
}

interface Received {
  readonly packet: Uint8Array
  readonly from: UdpEndpoint
}

/** A receiver that claims and keeps all. */
function recorder(): [Received[], PacketReceiver] {
  const inbox: Received[] = []
  const receiver: PacketReceiver = (packet, from) => {
    inbox.push({ packet, from })
    return true
  }
  return [inbox, receiver]
}

function localOf(port: UdpPort | undefined): UdpEndpoint {
  const local = port?.local(4)
  assert.ok(local)
  return local
}

async function arrival(subject: UdpSocketSubject, inbox: readonly Received[], count = inbox.length + 1): Promise<void> {
  await until(subject, () => inbox.length >= count)
}

async function until({ pass }: UdpSocketSubject, check: () => boolean): Promise<void> {
  for (let turn = 0; turn < PATIENCE_TURNS; turn++) {
    if (check()) return
    await pass()
    await turns(1)
  }
  assert.fail('a datagram did not arrive')
}

async function closeAll(...ports: UdpPort[]): Promise<void> {
  await Promise.all(ports.map((port) => port.close()))
}
