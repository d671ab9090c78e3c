import { CollectionConfigPackage } from '@kumiko/fabric-lifecycle'
import type { ChannelBundle } from '@kumiko/fabric-msp'
import { type Block, readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { News, raceAbort } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import type { PeerDeliverChannel } from '../src/server/deliver-channel.ts'
import { CHANNEL, goldenBundle, goldenPeerBlock } from './golden.ts'
import { PRIVATE } from './server.ts'

const BLOCKS: readonly Block[] = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => goldenPeerBlock(number))

/** The recorded channel as a deliver service reads one, up to a height that may grow. */
export class ServedChannel implements PeerDeliverChannel {
  readonly channelId = CHANNEL
  bundle: ChannelBundle
  firstBlock = 0n
  errored?: AbortSignal
  /** Blocks that were read. */
  reads = 0
  #height: bigint
  readonly #news = new News()
  readonly #isOrderer: boolean

  constructor(height: number = GOLDEN_HEIGHT, isOrderer = false) {
    this.#height = BigInt(height)
    this.bundle = goldenBundle()
    this.#isOrderer = isOrderer
  }

  get height(): bigint {
    return this.#height
  }

  grow(count = 1): void {
    this.#height += BigInt(count)
    this.#news.tell()
  }

  async *commits(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<{ readonly block: Block }> {
    for (let number = from; !signal.aborted; ) {
      const news = this.#news.next
      if (number < this.#height) {
        this.reads++
        yield { block: this.#blockAt(number++) }
      } else {
        await raceAbort(news, signal).catch(() => undefined)
      }
    }
  }

  readonly ledger: PeerDeliverChannel['ledger'] = {
    privateData: {
      read: async (number) =>
        Object.entries(PRIVATE[String(number)] ?? {}).map(([index, set]) => ({
          transactionNumber: Number(index),
          set: must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(set, 'base64')))),
        })),
    },
    // As the chaincode was defined in block 3.
    collectionConfigs: { mostRecentBelow: async (chaincode) => (chaincode === 'golden' ? { config: COLLECTIONS } : undefined) },
  }

  #blockAt(number: bigint): Block {
    const block = must(BLOCKS[Number(number)])
    return this.#isOrderer
      ? { ...block, metadata: block.metadata.map((each, at) => (at === 2 || at === 4 ? new Uint8Array() : each)) }
      : block
  }
}

/** Of members of Org1 only. */
const ORG1 = Uint8Array.from(Buffer.from('EggSBggBEgIIABoLEgkKB09yZzFNU1A=', 'base64'))
const COLLECTIONS: Uint8Array = CollectionConfigPackage.encode({
  config: [
    {
      staticCollection: {
        name: 'secret',
        memberOrgsPolicy: { signaturePolicy: ORG1 },
        requiredPeerCount: 0,
        maximumPeerCount: 1,
        blockToLive: 0n,
        memberOnlyRead: true,
        memberOnlyWrite: true,
        endorsementPolicy: undefined,
      },
    },
  ],
})
