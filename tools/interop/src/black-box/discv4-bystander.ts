import type { RlpInput, RlpItem } from '@kumiko/identity'
import { isRlpBytes } from '@kumiko/identity'
import type { Bench } from './bench.ts'
import { Discv4Tester, endpointItem, PACKET, soon } from './discv4-tester.ts'

/** NEIGHBORS to one FINDNODE: a list of nodes for each packet. */
export type NeighborsFor = (target: Uint8Array) => readonly (readonly RlpInput[])[]

/** A node that answers by itself, as a good one does. */
export class Discv4Bystander {
  readonly tester: Discv4Tester
  /** What came so far, by type. */
  readonly received: Map<number, number> = new Map()
  readonly #neighbors: NeighborsFor

  private constructor(tester: Discv4Tester, neighbors: NeighborsFor) {
    this.tester = tester
    this.#neighbors = neighbors
  }

  /** @param neighbors - Default: it knows nobody. */
  static async open(bench: Bench, neighbors: NeighborsFor = () => [[]]): Promise<Discv4Bystander> {
    const bystander = new Discv4Bystander(await Discv4Tester.open(bench), neighbors)
    bench.watch(bystander.#serve(bench))
    return bystander
  }

  /** It was pinged, or asked. */
  get isContacted(): boolean {
    return this.received.size > 0
  }

  count(type: number): number {
    return this.received.get(type) ?? 0
  }

  /** Itself, as others tell of it in NEIGHBORS. */
  item(ip: string | Uint8Array = this.tester.socket.endpoint.ip): RlpInput[] {
    return [...endpointItem({ ip, port: this.tester.socket.endpoint.port }), this.tester.publicKey]
  }

  /** Until its socket is closed. */
  async #serve(bench: Bench): Promise<void> {
    await bench.started
    for (;;) {
      const packet = await this.tester.next(Number.POSITIVE_INFINITY)
      if (packet === undefined) return
      this.received.set(packet.type, this.count(packet.type) + 1)
      if (packet.type === PACKET.ping) this.#pong(packet.hash)
      if (packet.type === PACKET.findnode) this.#tell(packet.data[0])
    }
  }

  /** An answer, and a ping of its own where it is the first time: so that the target has proved itself to us, and we to it. */
  #pong(hash: Uint8Array): void {
    this.tester.pong(hash)
    if (this.count(PACKET.ping) === 1) this.tester.ping()
  }

  #tell(target: RlpItem | undefined): void {
    if (!isRlpBytes(target)) return
    for (const nodes of this.#neighbors(target)) this.tester.send(PACKET.neighbors, [nodes, soon()])
  }
}
