import { createSocket, Socket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { PacketReceiver, UdpEndpoint } from '@kumiko/interface'
import { udpSocketContract } from '@kumiko/interface/testing'
import { virtualClock } from '@kumiko/testkit'
import { describe, expect, it, vi } from 'vitest'
import { WAITING_BYTES_MAX, WAITING_MAX } from './family-socket.ts'
import { type MachineUdpSocket, udpSocket } from './udp-socket.ts'

const LOOPBACK = '127.0.0.1'

udpSocketContract({ describe, it }, () => ({
  socket: udpSocket({ hosts: [LOOPBACK], port: 0 }),
  peer: udpSocket({ hosts: [LOOPBACK], port: 0 }),
  socketAt: ({ ip, port }) => udpSocket({ hosts: [ip], port }),
  pass: async () => {},
}))

describe('both families', () => {
  it('are served on one port, and told apart', async () => {
    const inbox: UdpEndpoint[] = []
    const [far, near] = [udpSocket({ hosts: [LOOPBACK, '::1'], port: 0 }), udpSocket({ hosts: [LOOPBACK, '::1'], port: 0 })]
    const port = await far.open(taking(({ from }) => inbox.push(from)))
    const sender = await near.open(() => false)
    expect(port.local(6)?.port).toBe(port.local(4)?.port)
    for (const ip of [LOOPBACK, '::1']) {
      sender.send(Uint8Array.of(1), { ip, port: port.local(4)?.port ?? 0 })
      await expect.poll(() => inbox.at(-1)?.ip).toBe(ip)
    }
    expect(far.status().local).toEqual([port.local(4), port.local(6)])
    await Promise.all([port.close(), sender.close()])
  })

  it('take another port where a free one of one family is taken in the other', async () => {
    const clashes: Socket[] = []
    const original = Socket.prototype.bind
    const spy = vi.spyOn(Socket.prototype, 'bind').mockImplementation(function (this: Socket, options, callback) {
      if (options.address !== '::1' || clashes.push(this) > 3) return original.call(this, options, callback)
      queueMicrotask(() => this.emit('error', Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE' })))
      return this
    })
    await closed()
    const before = udpHandles()
    const port = await udpSocket({ hosts: [LOOPBACK, '::1'], port: 0 }).open(() => true)
    spy.mockRestore()
    expect(clashes).toHaveLength(4)
    expect(port.local(6)?.port).toBe(port.local(4)?.port)
    await closed()
    expect(udpHandles()).toBe(before + 2)
    await port.close()
  })

  it('must both be free where the port is given', async () => {
    const taken = await boundSocket('::1')
    const shared = udpSocket({ hosts: [LOOPBACK, '::1'], port: taken.address().port })
    await expect(shared.open(() => true)).rejects.toThrow(/could not listen for UDP on 127\.0\.0\.1 and ::1, port \d+: .*EADDRINUSE/)
    expect(shared.status().local).toEqual([])
    taken.close()
  })

  it('must be of this machine: what fails tells what to choose', async () => {
    await expect(udpSocket({ hosts: ['192.0.2.1'], port: 0 }).open(() => true)).rejects.toThrow(
      /EADDRNOTAVAIL.*; choose an address that this machine has$/,
    )
  })

  it('write an IPv4-mapped source as IPv4', async () => {
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0 })
    const inbox: string[] = []
    const port = await socket.open(taking(({ from }) => inbox.push(from.ip)))
    dgramOf(port.local(4)?.port).emit('message', Buffer.of(1), { address: '::ffff:10.0.0.1', family: 'IPv6', port: 1, size: 1 })
    dgramOf(port.local(4)?.port).emit('message', Buffer.of(1), { address: 'fe80::1%eth0', family: 'IPv6', port: 1, size: 1 })
    expect(inbox).toEqual(['10.0.0.1', 'fe80::1'])
    await port.close()
  })
})

describe('junk and mishaps', () => {
  it('from port 0, where no answer can go, is counted and nobody is given it', async () => {
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0 })
    const port = await socket.open(() => expect.unreachable())
    dgramOf(port.local(4)?.port).emit('message', Buffer.of(1), { address: '9.9.9.9', family: 'IPv4', port: 0, size: 1 })
    expect(socket.status()).toMatchObject({ received: 1, claimed: 0, unclaimed: 1, receiverErrors: 0 })
    await port.close()
  })

  it('are counted: what nobody claims, and what a receiver throws, which reaches the next one all the same', async () => {
    const thrown: unknown[] = []
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0, onError: (error) => thrown.push(error) })
    const broken = await socket.open(() => {
      throw new Error('a broken receiver')
    })
    const port = await socket.open((packet) => packet[0] === 1)
    const sender = await boundSocket(LOOPBACK)
    for (const first of [1, 2, 3]) sender.send(Uint8Array.of(first), port.local(4)?.port, LOOPBACK)
    await expect.poll(() => socket.status()).toMatchObject({ received: 3, claimed: 1, unclaimed: 2, receiverErrors: 3 })
    expect(thrown.map(String)).toEqual(Array(3).fill('Error: a broken receiver'))
    sender.close()
    await Promise.all([broken.close(), port.close()])
  })

  it('do not stop it: a packet that is too large, no endpoint, nobody there, a broadcast without leave', async () => {
    const [socket, port] = await openSocket()
    const nobody = await boundSocket(LOOPBACK)
    const { port: closed } = nobody.address()
    nobody.close()
    const answers = [
      port.send(new Uint8Array(65_536), { ip: LOOPBACK, port: closed }),
      port.send(Uint8Array.of(1), { ip: LOOPBACK, port: 0 }),
      port.send(Uint8Array.of(1), { ip: 'no address', port: 1 }),
      port.send(Uint8Array.of(1), { ip: LOOPBACK, port: closed }),
      port.send(Uint8Array.of(1), { ip: '255.255.255.255', port: 1 }),
    ]
    await expect.poll(() => socket.status().waiting).toBe(0)
    expect(answers[1]).toBe(false)
    const { errors, dropped, sent } = socket.status()
    expect(errors).toMatchObject({ EMSGSIZE: 1, ERR_SOCKET_BAD_PORT: 1 })
    expect(errors.EACCES ?? errors.ENETUNREACH ?? errors.EINVAL).toBeGreaterThanOrEqual(1)
    expect(dropped).toBe(1)
    expect(sent).toBeGreaterThanOrEqual(1)
    await expectAlive(socket)
    await port.close()
  })

  it.each([
    ['an error', (inner: Socket) => inner.emit('error', Object.assign(new Error('gone'), { code: 'ENETDOWN' })), { ENETDOWN: 1 }],
    ['its end', (inner: Socket) => inner.close(), {}],
  ])(
    'bring it back after %s of its inner socket, on the same port, and waiting longer each time it cannot be bound',
    async (_, break_, errors) => {
      const clock = virtualClock()
      const socket = udpSocket({ hosts: [LOOPBACK], port: 0, clock })
      const port = await socket.open(() => true)
      const local = port.local(4)
      const inner = dgramOf(local?.port)
      break_(inner)
      await expect.poll(() => port.send(Uint8Array.of(1), { ip: LOOPBACK, port: 9 })).toBe(false)
      const squatter = await boundSocket(LOOPBACK, local?.port)
      for (const waitMs of [100, 200, 400]) {
        await clock.advance(waitMs - 1)
        expect(clock.pending).toBe(1)
        await clock.advance(1)
        await expect.poll(() => clock.pending).toBe(1)
      }
      squatter.close()
      await once(squatter, 'close')
      await clock.advance(800)
      await expect.poll(() => socket.status()).toMatchObject({ rebinds: 1, errors: { ...errors, EADDRINUSE: 3 }, local: [local] })
      await expectAlive(socket)
      await port.close()
      expect(clock.pending).toBe(0)
    },
  )

  it('do not bring back what is closed meanwhile', async () => {
    const clock = virtualClock()
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0, clock })
    const port = await socket.open(() => true)
    dgramOf(port.local(4)?.port).emit('error', new Error('gone'))
    expect(clock.pending).toBe(1)
    await port.close()
    expect(clock.pending).toBe(0)
    expect(socket.status()).toMatchObject({ local: [], rebinds: 0, errors: { unknown: 1 } })
  })
})

describe('the queue of sends', () => {
  it.each([
    ['count', 1, WAITING_MAX],
    ['bytes', 32 * 1024, WAITING_BYTES_MAX / (32 * 1024)],
  ])('is bounded by %s, drops beyond, and takes more later', async (_, size, count) => {
    const [socket, port] = await openSocket()
    const to = { ip: LOOPBACK, port: port.local(4)?.port ?? 0 }
    for (let i = 0; i < count; i++) expect(port.send(new Uint8Array(size), to)).toBe(true)
    expect(port.send(new Uint8Array(size), to)).toBe(false)
    expect(socket.status()).toMatchObject({ waiting: count, dropped: 1 })
    await expect.poll(() => socket.status()).toMatchObject({ waiting: 0, sent: count })
    expect(port.send(new Uint8Array(size), to)).toBe(true)
    await port.close()
  })
})

describe('datagrams', () => {
  it('have memory of their own: a receiver may keep them', async () => {
    const kept: Uint8Array[] = []
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0 })
    const port = await socket.open(taking(({ packet }) => kept.push(packet)))
    const sender = await boundSocket(LOOPBACK)
    for (let i = 0; i < 200; i++) {
      sender.send(new Uint8Array(1 + i).fill(i), port.local(4)?.port, LOOPBACK)
      if (i % 40 === 39) await expect.poll(() => kept).toHaveLength(i + 1)
    }
    for (const [i, packet] of kept.entries()) expect([packet.length, packet.every((byte) => byte === (i & 0xff))]).toEqual([i + 1, true])
    expect(overlaps(kept)).toEqual([])
    expect(Object.getPrototypeOf(kept[0])).toBe(Uint8Array.prototype)
    sender.close()
    await port.close()
  })
})

describe('the socket', () => {
  it('leaves nothing open, also when opened and closed over and over and at once', async () => {
    await closed()
    const before = udpHandles()
    const socket = udpSocket({ hosts: [LOOPBACK, '::1'], port: 0 })
    expect(udpHandles()).toBe(before)
    for (let i = 0; i < 20; i++) {
      const ports = await Promise.all([socket.open(() => true), socket.open(() => false)])
      const closing = Promise.all(ports.map((port) => port.close()))
      const next = await socket.open(() => true)
      await closing
      await next.close()
    }
    await closed()
    expect(udpHandles()).toBe(before)
  })

  it('gives no packet to a protocol whose `open` has not ended', async () => {
    const socket = udpSocket({ hosts: [LOOPBACK], port: 0 })
    const port = await socket.open(() => false)
    const heard: string[] = []
    let when = 'early'
    const opening = socket.open(taking(() => heard.push(when)))
    const arrive = () => dgramOf(port.local(4)?.port).emit('message', Buffer.of(1), { address: LOOPBACK, family: 'IPv4', port: 1, size: 1 })
    arrive()
    const second = await opening
    when = 'in time'
    arrive()
    expect(heard).toEqual(['in time'])
    expect(socket.status()).toMatchObject({ claimed: 1, unclaimed: 1 })
    await Promise.all([port.close(), second.close()])
  })

  it.each([
    [{ port: -1 }, /port -1/],
    [{ port: 65_536 }, /port 65536/],
    [{ port: 0, hosts: [] }, /hosts \[\]/],
    [{ port: 0, hosts: ['localhost'] }, /hosts \["localhost"\]/],
    [{ port: 0, hosts: ['127.0.0.1', '127.0.0.2'] }, /one of each family/],
    [{ port: 0, host: '::' } as never, /host is no option/],
  ])('refuses %j', (options, message) => {
    expect(() => udpSocket(options)).toThrow(expect.objectContaining({ code: 'udp/bad-option', message: expect.stringMatching(message) }))
  })
})

/** Claims all. */
function taking(take: (received: { packet: Uint8Array; from: UdpEndpoint }) => void): PacketReceiver {
  return (packet, from) => {
    take({ packet, from })
    return true
  }
}

async function openSocket() {
  const socket = udpSocket({ hosts: [LOOPBACK], port: 0 })
  return [socket, await socket.open(() => true)] as const
}

async function boundSocket(ip: string, port = 0): Promise<Socket> {
  const socket = createSocket({ type: ip.includes(':') ? 'udp6' : 'udp4', ipv6Only: ip.includes(':') })
  socket.bind(port, ip)
  await once(socket, 'listening')
  return socket
}

/** A packet from elsewhere still arrives. */
async function expectAlive(socket: MachineUdpSocket): Promise<void> {
  const { received } = socket.status()
  const sender = await boundSocket(LOOPBACK)
  sender.send(Uint8Array.of(1), socket.local(4)?.port, LOOPBACK)
  await expect.poll(() => socket.status().received).toBe(received + 1)
  sender.close()
}

/** The `dgram` socket inside, to break it. */
function dgramOf(port: number | undefined): Socket {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] }
  const found = handles.call(process).find((handle) => isDgram(handle) && portOf(handle) === port)
  if (!isDgram(found)) throw new Error(`no socket on port ${port}`)
  return found
}

/** Undefined where it is closed. */
function portOf(socket: Socket): number | undefined {
  try {
    return socket.address().port
  } catch {
    return undefined
  }
}

function isDgram(handle: unknown): handle is Socket {
  return handle instanceof Socket
}

/** The event loop lets go of what was closed at the end of its turn. */
async function closed(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await setImmediate()
}

function udpHandles(): number {
  return process.getActiveResourcesInfo().filter((type) => type === 'UDPWrap').length
}

/** Packets that share bytes of memory with the one before them, by place. */
function overlaps(packets: readonly Uint8Array[]): number[] {
  return packets.flatMap((packet, i) =>
    packets.some(
      (other, j) =>
        j < i &&
        other.buffer === packet.buffer &&
        other.byteOffset < packet.byteOffset + packet.length &&
        packet.byteOffset < other.byteOffset + other.length,
    )
      ? [i]
      : [],
  )
}
