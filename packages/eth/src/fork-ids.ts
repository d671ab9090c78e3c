import { fromHex } from '@kumiko/identity'
import { type Fault, KumikoError } from '@kumiko/interface'
import type { Chain, ChainHead } from './chain.ts'
import { crc32 } from './crc32.ts'
import type { ForkId } from './fork-id.ts'

/** What is greater is a time, not a block: that of mainnet's first block, and no chain is that high. @see EIP-6122 */
const TIME_MIN = 1_438_269_973n

/** The fork ids of one chain: what a node tells of itself, and what others may tell. @see EIP-2124, EIP-6122 */
export class ForkIds {
  /** Those by block, ascending, then those by time. */
  readonly #forks: readonly bigint[]
  /** How many of them are by block. */
  readonly #blockForks: number
  /** By the number of forks passed: one more than there are forks. */
  readonly #hashes: readonly number[]

  /** @throws KumikoError `eth/bad-chain` where the genesis hash is none, or a fork or time is no whole number. */
  constructor(chain: Chain) {
    const { genesisTime, forks } = chain
    checkNumbers([genesisTime, ...forks.map((fork) => ('block' in fork ? fork.block : fork.time))])
    const blocks = forks.flatMap((fork) => ('block' in fork && fork.block > 0 ? [fork.block] : []))
    const times = forks.flatMap((fork) => ('time' in fork && fork.time > genesisTime ? [fork.time] : []))
    const byBlock = ascending(blocks)
    this.#forks = [...byBlock, ...ascending(times)]
    this.#blockForks = byBlock.length
    this.#hashes = hashesOf(genesisBytes(chain), this.#forks)
  }

  /** The id of a node with this head. */
  at(head: ChainHead): ForkId {
    const passed = this.#passed(head)
    return { hash: this.#hashes[passed] ?? 0, next: this.#forks[passed] ?? 0n }
  }

  /**
   * Tells whether a remote may be on our chain, as far as can be told.
   *
   * @param head - Ours.
   * @returns Undefined where it may, else the fault `eth/stale-fork-id` (it lacks a fork that we have passed) or `eth/foreign-fork-id` (it is on
   *   another chain, or we lack a fork ourselves).
   */
  check(remote: ForkId, head: ChainHead): Fault | undefined {
    const passed = this.#passed(head)
    const theirs = this.#hashes.indexOf(remote.hash)
    if (theirs < 0) return { fault: 'eth/foreign-fork-id', detail: 'unknown fork hash' }
    if (theirs > passed) return undefined
    if (theirs < passed) return this.#forks[theirs] === remote.next ? undefined : { fault: 'eth/stale-fork-id' }
    return this.#hasPassed(remote.next, passed, head)
      ? { fault: 'eth/foreign-fork-id', detail: 'a fork passed that we do not know' }
      : undefined
  }

  /** How many forks are passed: all before the first that is not. */
  #passed(head: ChainHead): number {
    const first = this.#forks.findIndex((fork, index) => fork > this.#measure(index, head))
    return first < 0 ? this.#forks.length : first
  }

  /** What of the head a fork at this place goes by. Beyond the last, what the last kind of fork goes by. */
  #measure(index: number, { block, time }: ChainHead): number {
    const isByBlock = index < this.#blockForks || this.#blockForks === this.#forks.length
    return isByBlock ? block : time
  }

  /** Tells whether the next fork of a remote, with which we agree so far, is behind us already. */
  #hasPassed(next: bigint, passed: number, head: ChainHead): boolean {
    if (next === 0n) return false
    return next <= this.#measure(passed, head) || (next > TIME_MIN && next <= head.time)
  }
}

/** Each value once. */
function ascending(values: readonly number[]): bigint[] {
  return [...new Set(values)].sort((a, b) => a - b).map(BigInt)
}

function hashesOf(genesisHash: Uint8Array, forks: readonly bigint[]): number[] {
  const hashes = [crc32(genesisHash)]
  for (const fork of forks) hashes.push(crc32(uint64(fork), hashes.at(-1)))
  return hashes
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

function genesisBytes({ genesisHash }: Chain): Uint8Array {
  const bytes = fromHex(genesisHash)
  if (bytes?.length !== 32) throw badChain('the genesis hash is 64 hex digits')
  return bytes
}

function checkNumbers(numbers: readonly number[]): void {
  if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) throw badChain('blocks and times are whole numbers from 0')
}

function badChain(why: string): KumikoError {
  return new KumikoError('eth/bad-chain', `bad chain: ${why}`)
}
