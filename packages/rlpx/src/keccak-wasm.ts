/**
 * keccak-f[1600] as a WebAssembly module, assembled here at load: a running MAC looks at its hash three times a frame, and any library's
 * calls for that cost more than the permutation. 64-bit rotations are one instruction in wasm; in JavaScript they are eight.
 *
 * Rotations and round constants are derived as FIPS 202 § 3.2 defines them, so there is no table to mistype.
 */

/** Exports of the module. Addresses are bytes in `memory`; a state is 25 little-endian 64-bit lanes, 200 bytes. */
export interface KeccakWasm {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Permutes the state at `from` and writes it to `to`, which may be the same. */
  permute(from: number, to: number): void
  /** For each of `blocks` ≥ 1 blocks of {@link RATE_BYTES} at `data`: xors it into the state, then permutes. */
  absorb(state: number, data: number, blocks: number): void
}

/** What we use of the global that TypeScript declares for browsers only. */
interface WasmGlobal {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: object }
}

/** keccak-256 takes 136 bytes a block. @see FIPS 202 § 5.2, capacity 512 */
export const RATE_BYTES = 136

const LANES = 25
const ROUNDS = 24
const RATE_LANES = RATE_BYTES / 8

/** Instructions that are used below. @see WebAssembly core specification § 5.4 */
const OP = {
  loop: [0x03, 0x40],
  end: [0x0b],
  brIf: [0x0d],
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  i64Load: 0x29,
  i64Store: 0x37,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Rotl: 0x89,
} as const

type Code = readonly (number | Code)[]

function flatten(code: Code, out: number[] = []): number[] {
  for (const item of code) typeof item === 'number' ? out.push(item) : flatten(item, out)
  return out
}

function unsigned(value: number): number[] {
  const out: number[] = []
  let rest = value
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  return [...out, rest]
}

function signed(value: bigint): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return [...out, low]
    out.push(low | 0x80)
  }
}

const get = (local: number): Code => [OP.get, unsigned(local)]
const set = (local: number): Code => [OP.set, unsigned(local)]
const tee = (local: number): Code => [OP.tee, unsigned(local)]
const load = (address: number, offset: number): Code => [get(address), OP.i64Load, 3, unsigned(offset)]
const xorAll = (first: Code, ...rest: Code[]): Code => [first, ...rest.map((next) => [next, OP.i64Xor])]

/** Step mappings ρ and π: lane `from` goes to lane `to`, rotated. @see FIPS 202 § 3.2.2, 3.2.3 */
function rotations(): { readonly from: number; readonly to: number; readonly by: number }[] {
  const moves = [{ from: 0, to: 0, by: 0 }]
  let [x, y] = [1, 0]
  for (let t = 0; t < LANES - 1; t++) {
    const by = (((t + 1) * (t + 2)) / 2) % 64
    const [toX, toY] = [y, (2 * x + 3 * y) % 5]
    moves.push({ from: x + 5 * y, to: toX + 5 * toY, by })
    ;[x, y] = [toX, toY]
  }
  return moves
}

/** Step mapping ι. @see FIPS 202 § 3.2.5 */
function roundConstants(): bigint[] {
  let register = 1
  const bit = (): bigint => {
    const out = register & 1
    register <<= 1
    if (register & 0x100) register ^= 0x171
    return BigInt(out)
  }
  return Array.from({ length: ROUNDS }, () => {
    let constant = 0n
    for (let j = 0; j <= 6; j++) constant |= bit() << BigInt(2 ** j - 1)
    return BigInt.asIntN(64, constant)
  })
}

/** Locals of a function: three addresses or counters, two sets of lanes that take turns, one row, column parities and column effects. */
const LANE = 3
const NEXT = LANE + LANES
const ROW = NEXT + LANES
const PARITY = ROW + 5
const EFFECT = PARITY + 5
const LOCALS = EFFECT + 5 - LANE

/**
 * Lanes that are held inverted between rounds, so that χ's 25 inversions a round become 8: a quarter of the time.
 *
 * @see Keccak implementation overview § 2.2, "lane complementing transform"
 */
const INVERTED: ReadonlySet<number> = new Set([1, 2, 8, 12, 17, 20])
const NOT: Code = [OP.i64Const, signed(-1n), OP.i64Xor]
const invertIfHeldSo = (lane: number): Code => (INVERTED.has(lane) ? NOT : [])

/** Which lanes are inverted after θ, if {@link INVERTED} were before it: xors carry inversions along. */
function invertedAfterTheta(): readonly boolean[] {
  const bit = (lane: number): number => Number(INVERTED.has(lane))
  const parity = [0, 1, 2, 3, 4].map((x) => bit(x) ^ bit(x + 5) ^ bit(x + 10) ^ bit(x + 15) ^ bit(x + 20))
  return Array.from({ length: LANES }, (_, lane) => {
    const [left, right] = [parity[((lane % 5) + 4) % 5], parity[((lane % 5) + 1) % 5]]
    return (bit(lane) ^ (left ?? 0) ^ (right ?? 0)) === 1
  })
}

/**
 * χ for one lane of a row: `own ^ (~next & after)`, where each may be held inverted, in as few inversions as it takes.
 *
 * @param held - Whether own, next and after are held inverted.
 * @param isInverted - Whether the result shall be.
 * @see FIPS 202 § 3.2.4
 */
function chi(x: number, held: readonly [boolean, boolean, boolean], isInverted: boolean): Code {
  const [own, next, after] = [get(ROW + x), get(ROW + ((x + 1) % 5)), get(ROW + ((x + 2) % 5))]
  const [ownHeld, nextHeld, afterHeld] = held
  // De Morgan: the same term, or its inverse, by `and` or by `or`.
  const isTermInverted = nextHeld === afterHeld ? ownHeld !== isInverted : afterHeld
  const operation = isTermInverted ? OP.i64Or : OP.i64And
  const nextWanted = !isTermInverted
  const nextTerm = nextHeld === nextWanted ? next : [next, NOT]
  const afterTerm = afterHeld === isTermInverted ? after : [after, NOT]
  return [nextTerm, afterTerm, operation, own, OP.i64Xor, (ownHeld !== isTermInverted) === isInverted ? [] : NOT]
}

/** One round from the lanes at `from` to those at `to`, row by row, so that few values live at once. */
function round(constant: bigint, from: number, to: number): Code {
  const columns = [0, 1, 2, 3, 4]
  const parity = columns.map((x) => [xorAll(get(from + x), ...[5, 10, 15, 20].map((y) => get(from + x + y))), set(PARITY + x)])
  const effect = columns.map((x) => [
    xorAll(get(PARITY + ((x + 4) % 5)), [get(PARITY + ((x + 1) % 5)), OP.i64Const, 1, OP.i64Rotl]),
    set(EFFECT + x),
  ])
  const moves = rotations().sort((a, b) => a.to - b.to)
  const move = (lane: number): Code => {
    const { from: source, by } = moves[lane] as (typeof moves)[number]
    return [xorAll(get(from + source), get(EFFECT + (source % 5))), by === 0 ? [] : [OP.i64Const, signed(BigInt(by)), OP.i64Rotl]]
  }
  const held = invertedAfterTheta()
  const isHeld = (y: number, x: number): boolean => held[moves[5 * y + (x % 5)]?.from ?? 0] === true
  const rows = columns.map((y) => [
    columns.map((x) => [move(5 * y + x), set(ROW + x)]),
    columns.map((x) => {
      const lane = 5 * y + x
      const iota = lane === 0 ? [OP.i64Const, signed(constant), OP.i64Xor] : []
      return [chi(x, [isHeld(y, x), isHeld(y, x + 1), isHeld(y, x + 2)], INVERTED.has(lane)), iota, set(to + lane)]
    }),
  ])
  return [parity, effect, rows]
}

/** An even number of rounds: the lanes end where they began. */
const rounds: Code = roundConstants().map((constant, i) => (i % 2 === 0 ? round(constant, LANE, NEXT) : round(constant, NEXT, LANE)))

function body(...code: Code): number[] {
  const bytes = flatten([1, unsigned(LOCALS), 0x7e, ...code, OP.end])
  return [...unsigned(bytes.length), ...bytes]
}

function permuteBody(): number[] {
  const lanes = Array.from({ length: LANES }, (_, i) => i)
  const loads = lanes.map((i) => [load(0, i * 8), invertIfHeldSo(i), set(LANE + i)])
  const stores = lanes.map((i) => [get(1), get(LANE + i), invertIfHeldSo(i), OP.i64Store, 3, unsigned(i * 8)])
  // The third local of `permute` is unused: both functions share one numbering.
  const bytes = flatten([2, 1, 0x7f, unsigned(LOCALS), 0x7e, loads, rounds, stores, OP.end])
  return [...unsigned(bytes.length), ...bytes]
}

function absorbBody(): number[] {
  const lanes = Array.from({ length: LANES }, (_, i) => i)
  const loads = lanes.map((i) => [load(0, i * 8), invertIfHeldSo(i), set(LANE + i)])
  const xors = lanes.slice(0, RATE_LANES).map((i) => [xorAll(get(LANE + i), load(1, i * 8)), set(LANE + i)])
  const step = [get(1), OP.i32Const, signed(BigInt(RATE_BYTES)), OP.i32Add, set(1), get(2), OP.i32Const, 1, OP.i32Sub, tee(2)]
  const stores = lanes.map((i) => [get(0), get(LANE + i), invertIfHeldSo(i), OP.i64Store, 3, unsigned(i * 8)])
  return body(loads, OP.loop, xors, rounds, step, OP.brIf, 0, OP.end, stores)
}

function section(id: number, ...content: Code): number[] {
  const bytes = flatten(content)
  return [id, ...unsigned(bytes.length), ...bytes]
}

const name = (text: string): Code => [text.length, [...text].map((letter) => letter.charCodeAt(0))]

/** @param pages - Of 64 KiB each. */
export function createKeccakWasm(pages: number): KeccakWasm {
  const module = flatten([
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, 2, [0x60, 2, 0x7f, 0x7f, 0], [0x60, 3, 0x7f, 0x7f, 0x7f, 0]),
    section(3, 2, 0, 1),
    section(5, 1, 0x00, unsigned(pages)),
    section(7, 3, name('memory'), 2, 0, name('permute'), 0, 0, name('absorb'), 0, 1),
    section(10, 2, permuteBody(), absorbBody()),
  ])
  const { Instance, Module } = (globalThis as unknown as { readonly WebAssembly: WasmGlobal }).WebAssembly
  return new Instance(new Module(Uint8Array.from(module))).exports as KeccakWasm
}
