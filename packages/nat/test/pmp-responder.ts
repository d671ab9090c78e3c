import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** How a gateway behaves. */
export interface PmpBehaviour {
  /** Which protocols it speaks. Default: both. */
  speaks?: 'pmp' | 'pcp'
  /** Default 198.51.100.7. */
  externalIp?: string
  /** External port for an internal one. Default: the same. */
  portFor?: (port: number) => number
  /** Default: what is asked for. */
  lifetimeS?: number
  /** Result for mappings; 0 is success. */
  result?: number
  /** Says nothing to the first so many requests. */
  deafTo?: number
  /** Before each answer come others: of a port that was not asked for, and of nonsense; for PCP, with another nonce. */
  isNoisy?: boolean
}

/** A NAT-PMP and PCP gateway on loopback, written from the RFCs without our codecs. */
export interface PmpResponder {
  readonly port: number
  /** `tcp 30303` → external port. */
  readonly mappings: Map<string, number>
  /** Every request, as hex. */
  readonly requests: string[]
  readonly behaviour: PmpBehaviour
  close(): Promise<void>
}

export async function pmpResponder(behaviour: PmpBehaviour = {}, ip = '127.0.0.1', port = 0): Promise<PmpResponder> {
  const socket = createSocket('udp4')
  socket.bind(port, ip)
  await once(socket, 'listening')
  const mappings = new Map<string, number>()
  const requests: string[] = []
  const nonces = new Map<string, string>()
  socket.on('message', (packet, from) => {
    requests.push(packet.toString('hex'))
    if (requests.length <= (behaviour.deafTo ?? 0)) return
    const answer = packet[0] === 2 ? answerPcp(packet, from.address) : answerPmp(packet)
    if (answer === undefined) return
    for (const noise of behaviour.isNoisy ? noiseBefore(answer) : []) socket.send(noise, from.port, from.address)
    socket.send(answer, from.port, from.address)
  })

  const give = (key: string, internal: number, lifetime: number): number => {
    if (lifetime === 0) {
      mappings.delete(key)
      return 0
    }
    const external = behaviour.portFor?.(internal) ?? internal
    mappings.set(key, external)
    return external
  }
  const externalIp = (): number[] => (behaviour.externalIp ?? '198.51.100.7').split('.').map(Number)

  const answerPmp = (packet: Buffer): Buffer | undefined => {
    if (behaviour.speaks === 'pcp') return undefined
    if (packet[0] !== 0 || (packet[1] ?? 9) > 2) return undefined
    if (packet[1] === 0) return Buffer.from([0, 128, 0, 0, 0, 0, 0, 9, ...externalIp()])
    const answer = Buffer.alloc(16)
    answer[1] = 128 + (packet[1] ?? 0)
    answer.writeUInt16BE(behaviour.result ?? 0, 2)
    answer.writeUInt32BE(9, 4)
    if ((behaviour.result ?? 0) !== 0) return answer
    const [internal, asked] = [packet.readUInt16BE(4), packet.readUInt32BE(8)]
    answer.writeUInt16BE(internal, 8)
    answer.writeUInt16BE(give(`${packet[1] === 1 ? 'udp' : 'tcp'} ${internal}`, internal, asked), 10)
    answer.writeUInt32BE(asked === 0 ? 0 : (behaviour.lifetimeS ?? asked), 12)
    return answer
  }

  const answerPcp = (packet: Buffer, from: string): Buffer => {
    if (behaviour.speaks === 'pmp') return Buffer.from([0, 128 + (packet[1] ?? 0), 0, 1, 0, 0, 0, 9])
    const answer = Buffer.from(packet)
    answer[1] = 0x80 | (packet[1] ?? 0)
    answer.fill(0, 8, 24)
    answer.writeUInt32BE(9, 8)
    const refuse = (result: number): Buffer => {
      answer[3] = result
      return answer
    }
    answer[2] = 0
    if (packet.subarray(8, 24).toString('hex') !== `00000000000000000000ffff${Buffer.from(from.split('.').map(Number)).toString('hex')}`)
      return refuse(12)
    if (packet[1] === 0) return answer
    if ((behaviour.result ?? 0) !== 0) return refuse(behaviour.result ?? 0)
    const key = `${packet[36] === 6 ? 'tcp' : 'udp'} ${packet.readUInt16BE(40)}`
    const nonce = packet.subarray(24, 36).toString('hex')
    if (mappings.has(key) && nonces.get(key) !== nonce) return refuse(2)
    nonces.set(key, nonce)
    const asked = packet.readUInt32BE(4)
    answer.writeUInt16BE(give(key, packet.readUInt16BE(40), asked), 42)
    answer.writeUInt32BE(asked === 0 ? 0 : (behaviour.lifetimeS ?? asked), 4)
    answer.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...externalIp()], 44)
    return answer
  }

  return { port: socket.address().port, mappings, requests, behaviour, close: () => closed(socket) }
}

/** All tell of the external port 9. */
function noiseBefore(answer: Buffer): Buffer[] {
  const noise = [Buffer.alloc(0), Buffer.of(0), Buffer.from('nonsense'), answer.subarray(0, 3)]
  const isPcp = answer[0] === 2
  const [nonceAt, internalAt] = isPcp ? [24, 40] : [undefined, 8]
  for (const at of [nonceAt, internalAt]) {
    if (at === undefined || answer.length < 16 || answer.length === 24) continue
    const forged = Buffer.from(answer)
    forged[at] = 0xff ^ (forged[at] ?? 0)
    forged.writeUInt16BE(9, internalAt + 2)
    noise.push(forged)
  }
  return noise
}

async function closed(socket: Socket): Promise<void> {
  socket.close()
  await once(socket, 'close')
}
