import { equal, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Case } from '../case.ts'
import { type OurPeer, startOurPeer } from '../our-peer.ts'

/** go-ethereum's deadline for the handshake, which is ours, and some time to see it. */
const CLOSED_MS = 5_500

/** Sockets that never become a connection. Each holds the only pending slot until it is closed. */
export const halfOpenCases: readonly Case[] = [
  halfOpen('says nothing', 5000, () => {}),
  halfOpen('sends half an auth', 5000, (socket) => socket.write(Buffer.concat([Buffer.of(0x01, 0x80), Buffer.alloc(100, 4)]))),
  halfOpen('sends one byte a second', 5000, (socket) => {
    socket.write(Buffer.of(0x01, 0x80))
    const timer = setInterval(() => socket.write('x'), 1000)
    socket.once('close', () => clearInterval(timer))
  }),
  halfOpen('sends garbage', 0, (socket) => socket.write(Buffer.alloc(5000, 0x55))),
  halfOpen('sends a size that is too large', 0, (socket) => socket.write(Buffer.of(0xff, 0xff))),
  halfOpen('speaks HTTP', 0, (socket) => socket.write('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n')),
  halfOpen('sends an auth that is none', 0, (socket) => socket.write(Buffer.concat([Buffer.of(0x01, 0x80), Buffer.alloc(384, 4)]))),
]

/** @param atMs - When it is closed at the earliest; 0: at once. */
function halfOpen(what: string, atMs: number, act: (socket: Socket) => unknown): Case {
  return {
    name: `TCP → kumiko: a socket that ${what} is closed`,
    run: async () => {
      await using ours = await startOurPeer()
      await using good = await startOurPeer()
      const socket = connect(Number(/:(\d+)\?/.exec(ours.enode)?.[1]), '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      const start = performance.now()
      act(socket)
      await once(socket, 'close')
      const afterMs = performance.now() - start
      ok(atMs === 0 ? afterMs < 500 : afterMs > atMs - 100 && afterMs < CLOSED_MS, `closed after ${Math.round(afterMs)} ms`)
      await servedAgain(ours, good)
      return undefined
    },
  }
}

async function servedAgain(ours: OurPeer, good: OurPeer): Promise<void> {
  equal(ours.host.connectionManager.peers().length, 0)
  await good.dial(ours.enode)
  await ours.next('added')
}
