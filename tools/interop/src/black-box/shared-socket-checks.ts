import type { Check } from './check.ts'
import { demand } from './demand.ts'
import { Discv4Tester, PACKET } from './discv4-tester.ts'
import { Discv5Tester, MESSAGE, same } from './discv5-tester.ts'

/** Packets of each protocol in one burst. */
const BURST = 40

/** What a node must do that speaks discv4 and discv5 on one socket (§ 3.6, 28 and 29). */
export const sharedSocketChecks: readonly Check[] = [
  {
    name: 'SharedSocket/Interleaved',
    async run(bench) {
      const rounds = []
      for (let round = 0; round < BURST; round++) {
        const [four, five] = [await Discv4Tester.open(bench), await Discv5Tester.open(bench)]
        rounds.push({ four, five, noise: await bench.socket() })
      }
      // All at once: each datagram is in the same buffers as the others, if any buffer is used twice.
      const sent = rounds.map(({ four, five, noise }) => {
        noise.send(bench.bytes(200), bench.endpoint)
        return { four, five, noise, hash: four.ping(), nonce: five.send(MESSAGE.ping, []) }
      })
      for (const { four, five, noise, hash, nonce } of sent) {
        const [pong] = await four.greeting()
        four.checkPong(pong, hash)
        demand(same((await five.needWhoareyou()).nonce, nonce), 'WHOAREYOU answers another packet')
        demand((await noise.next(0)) === undefined, 'junk was answered')
      }
    },
  },
  {
    name: 'SharedSocket/OneNode',
    async run(bench) {
      // One node that speaks both: what it has proved by one protocol is worth nothing in the other.
      const four = await Discv4Tester.open(bench)
      await four.bond()
      const five = await Discv5Tester.open(bench, { key: four.key })
      five.checkPong(await five.ask(MESSAGE.ping, [1], MESSAGE.pong))
      four.findnode(bench.bytes(64))
      await four.need(PACKET.neighbors)
    },
  },
]
