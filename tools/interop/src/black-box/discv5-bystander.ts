import { decodeRlp, distance, type Enr, isRlpList, type RlpInput, type RlpItem, rlpUint } from '@kumiko/identity'
import { isFault } from '@kumiko/interface'
import type { Bench } from './bench.ts'
import { Discv5Tester, MESSAGE, type Message, pongFields } from './discv5-tester.ts'

/** One NODES message. */
export interface NodesAnswer {
  readonly total: number
  readonly records: readonly Enr[]
}

/** What is answered to FINDNODE: each a packet. */
export type NodesFor = (distances: readonly number[]) => readonly NodesAnswer[]

/** A node that answers by itself, as a good one does. */
export class Discv5Bystander {
  readonly tester: Discv5Tester
  /** What came so far, by type. */
  readonly received: Map<number, number> = new Map()
  /** Packets of any kind. */
  packets = 0
  readonly #bench: Bench
  readonly #nodes: NodesFor

  private constructor(bench: Bench, tester: Discv5Tester, nodes: NodesFor) {
    this.#bench = bench
    this.tester = tester
    this.#nodes = nodes
  }

  /** @param nodes - Default: it knows nobody. @param greets - It pings the target first. Default: it waits. */
  static async open(
    bench: Bench,
    { nodes = () => [{ total: 1, records: [] }], greets = false }: BystanderOptions = {},
  ): Promise<Discv5Bystander> {
    const tester = await Discv5Tester.open(bench, { announced: true })
    const bystander = new Discv5Bystander(bench, tester, nodes)
    if (greets) await tester.ask(MESSAGE.ping, [1], MESSAGE.pong)
    bench.watch(bystander.#serve())
    return bystander
  }

  count(type: number): number {
    return this.received.get(type) ?? 0
  }

  /** Until its socket is closed. */
  async #serve(): Promise<void> {
    await this.#bench.started
    for (;;) {
      const packet = await this.tester.next(Number.POSITIVE_INFINITY)
      if (packet === undefined) return
      this.packets++
      if (packet.kind === 'unreadable') this.tester.challenge(packet.nonce)
      if (packet.kind === 'message') this.#answer(packet)
    }
  }

  #answer(message: Message): void {
    const { type, requestId, data } = message
    this.received.set(type, this.count(type) + 1)
    if (type === MESSAGE.ping) this.tester.send(MESSAGE.pong, pongFields(message, this.#bench.endpoint))
    if (type === MESSAGE.talkRequest) this.tester.send(MESSAGE.talkResponse, [requestId, new Uint8Array()])
    if (type === MESSAGE.findnode) for (const answer of this.#nodesFor(data[0])) this.tester.send(MESSAGE.nodes, [requestId, ...answer])
  }

  #nodesFor(list: RlpItem | undefined): RlpInput[][] {
    const distances = isRlpList(list) ? list.map((item) => rlpUint(item, 2) ?? 0) : []
    const answers = distances.includes(0) ? [{ total: 1, records: [this.tester.record] }] : this.#nodes(distances)
    return answers.map(({ total, records }) => [total, records.map(recordItem)])
  }
}

/** Options of {@link Discv5Bystander.open}. */
export interface BystanderOptions {
  readonly nodes?: NodesFor
  readonly greets?: boolean
}

/** The log distance of two nodes by their records. */
export function distanceOf(a: Pick<Enr, 'nodeId'>, b: Pick<Enr, 'nodeId'>): number {
  return distance(a.nodeId, b.nodeId)
}

/** A record as an item of NODES. */
export function recordItem({ bytes }: Enr): RlpItem {
  const item = decodeRlp(bytes)
  return isFault(item) ? [] : item
}
