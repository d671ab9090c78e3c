import { createKeccakWasm, type KeccakWasm, RATE_BYTES } from './keccak-wasm.ts'

/** Where things lie in the module's memory: the state in use, what `look` permutes into, and bulk data. */
const STATE = 0
const STATE_BYTES = 200
const DIGEST = 256
const DATA = 1024
const DATA_BLOCKS = 474
const PAGES = 1

let wasm: KeccakWasm | undefined
let memory = new Uint8Array()
let digest = new Uint8Array()
/** Whose state lies in memory. The others' are saved with them, so that none has to be freed. */
let resident: RunningKeccak | undefined

function load(): KeccakWasm {
  wasm = createKeccakWasm(PAGES)
  memory = new Uint8Array(wasm.memory.buffer)
  digest = memory.subarray(DIGEST, DIGEST + 32)
  return wasm
}

/** A keccak-256 that goes on after each look at its digest, as the MACs of RLPx need it. 200 bytes of state. */
export class RunningKeccak {
  readonly #saved = new Uint8Array(STATE_BYTES)
  /** Bytes absorbed since the last permutation: less than {@link RATE_BYTES}. */
  #position = 0

  absorb(bytes: Uint8Array): void {
    const keccak = this.#own()
    let offset = 0
    if (this.#position > 0) {
      offset = Math.min(RATE_BYTES - this.#position, bytes.length)
      this.#xor(bytes, 0, offset)
      if (this.#position < RATE_BYTES) return
      keccak.permute(STATE, STATE)
      this.#position = 0
    }
    for (;;) {
      const blocks = Math.min(DATA_BLOCKS, Math.floor((bytes.length - offset) / RATE_BYTES))
      if (blocks === 0) break
      const end = offset + blocks * RATE_BYTES
      memory.set(bytes.subarray(offset, end), DATA)
      keccak.absorb(STATE, DATA, blocks)
      offset = end
    }
    this.#xor(bytes, offset, bytes.length)
  }

  /** The digest so far. @returns 32 bytes of a shared buffer, good until the next call on any instance. */
  look(): Uint8Array {
    const keccak = this.#own()
    this.#pad()
    keccak.permute(STATE, DIGEST)
    this.#pad()
    return digest
  }

  /** Sets keccak's padding, or takes it back. @see Keccak reference § 1.1.2, pad10*1 */
  #pad(): void {
    memory[this.#position] = (memory[this.#position] as number) ^ 0x01
    memory[RATE_BYTES - 1] = (memory[RATE_BYTES - 1] as number) ^ 0x80
  }

  #xor(bytes: Uint8Array, from: number, to: number): void {
    let position = this.#position
    for (let i = from; i < to; i++, position++) memory[position] = (memory[position] as number) ^ (bytes[i] as number)
    this.#position = position
  }

  #own(): KeccakWasm {
    const keccak = wasm ?? load()
    if (resident !== this) {
      if (resident !== undefined) resident.#saved.set(memory.subarray(STATE, STATE + STATE_BYTES))
      memory.set(this.#saved, STATE)
      resident = this
    }
    return keccak
  }
}
