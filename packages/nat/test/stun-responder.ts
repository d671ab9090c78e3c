import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** A STUN server on loopback, written from RFC 8489 without our codec. */
export interface StunResponder {
  readonly port: number
  /** What it says our address is. */
  ip: string
  /** Requests so far. */
  count: number
  close(): Promise<void>
}

/** @param ip - IPv4. */
export async function stunResponder(ip: string): Promise<StunResponder> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const responder: StunResponder = {
    port: socket.address().port,
    ip,
    count: 0,
    async close() {
      socket.close()
      await once(socket, 'close')
    },
  }
  socket.on('message', (packet, from) => {
    responder.count += 1
    if (packet.length !== 20 || packet.readUInt32BE(0) !== 0x0001_0000 || packet.readUInt32BE(4) !== 0x2112_a442) return
    const address = responder.ip.split('.').map((part, i) => Number(part) ^ (packet[4 + i] ?? 0))
    const attribute = Buffer.from([0, 0x20, 0, 8, 0, 1, (from.port >> 8) ^ 0x21, (from.port & 0xff) ^ 0x12, ...address])
    socket.send(Buffer.concat([Buffer.from([1, 1, 0, 12]), packet.subarray(4, 20), attribute]), from.port, from.address)
  })
  return responder
}
