import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Agreement } from './agreement.ts'

const LENGTH = 80n

/** What happens next to a replica's reader. */
type Step =
  | { readonly do: 'tell'; readonly replica: number; readonly count: number }
  /** It is read again, from where most are. */
  | { readonly do: 'again'; readonly replica: number }
  | { readonly do: 'take' }

/** How a replica comes by a log that is not the others'. */
type Defect =
  | { readonly is: 'whole' }
  | { readonly is: 'other'; readonly from: bigint; readonly count: number }
  | { readonly is: 'without'; readonly at: bigint }
  | { readonly is: 'shifted'; readonly at: bigint }
  | { readonly is: 'short'; readonly length: bigint }

const place = fc.bigInt({ min: 1n, max: LENGTH })
const defect: fc.Arbitrary<Defect> = fc.oneof(
  fc.record({ is: fc.constant('whole' as const) }),
  fc.record({ is: fc.constant('other' as const), from: place, count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ is: fc.constant('without' as const), at: place }),
  fc.record({ is: fc.constant('shifted' as const), at: place }),
  fc.record({ is: fc.constant('short' as const), length: place }),
)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('tell' as const), replica: fc.nat(4), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ do: fc.constant('again' as const), replica: fc.nat(4) }),
    fc.record({ do: fc.constant('take' as const) }),
  ),
  { maxLength: 60 },
)

const entry = (sequence: bigint): Uint8Array => Uint8Array.of(Number(sequence), 1)

/** An entry as a replica has it; undefined where it has later ones alone; `end` after its last. */
function told(what: Defect, sequence: bigint): Uint8Array | undefined | 'end' {
  if (what.is === 'shifted') return sequence >= LENGTH ? 'end' : entry(sequence >= what.at ? sequence + 1n : sequence)
  if (sequence > (what.is === 'short' ? what.length : LENGTH)) return 'end'
  if (what.is === 'without' && what.at === sequence) return
  if (what.is === 'other' && sequence >= what.from && sequence < what.from + BigInt(what.count)) return Uint8Array.of(0)
  return entry(sequence)
}

/** Readers of replicas, as they bring what they hear. */
class Replicas {
  readonly agreement: Agreement
  readonly #defects: readonly Defect[]
  readonly #at: bigint[]

  constructor(defects: readonly Defect[], next: bigint) {
    this.agreement = new Agreement(next, defects.length)
    this.#defects = defects
    this.#at = defects.map(() => next)
  }

  tell(replica: number, count: number): void {
    const what = must(this.#defects[replica])
    for (let left = count; left > 0; left--) {
      const sequence = must(this.#at[replica])
      const bytes = told(what, sequence)
      if (bytes === 'end' || !this.agreement.hasRoom(sequence)) return
      this.agreement.hear(String(replica), sequence, bytes)
      this.#at[replica] = sequence + 1n
    }
  }

  again(replica: number): void {
    this.agreement.forget(String(replica))
    this.#at[replica] = this.agreement.next > 1n ? this.agreement.next - 1n : 1n
  }
}

describe('Agreement', () => {
  it.each([1, 3, 5])('gives the log of most of %i replicas, and no other entry', (count) => {
    const minority = Math.ceil(count / 2) - 1
    fc.assert(
      fc.property(
        fc.array(defect, { minLength: minority, maxLength: minority }),
        steps,
        fc.bigInt({ min: 1n, max: 40n }),
        (bad, plan, from) => {
          const whole = Array.from({ length: count - minority }, (): Defect => ({ is: 'whole' }))
          const replicas = new Replicas([...bad, ...whole], from)
          const { agreement } = replicas
          const taken: bigint[] = []
          const take = (): void => {
            for (let agreed = agreement.take(); agreed !== undefined; agreed = agreement.take()) {
              expect(agreed.bytes).toEqual(entry(agreed.sequence))
              expect(agreed.dissenters.every((each) => Number(each) < minority)).toBe(true)
              taken.push(agreed.sequence)
            }
          }
          for (const step of plan) {
            if (step.do === 'take') take()
            else if (step.do === 'again') replicas.again(step.replica % count)
            else replicas.tell(step.replica % count, step.count)
            expect(agreement.isSplit).toBe(false)
            expect(agreement.isContradicted).toBe(false)
          }
          // Whatever happened before, all is told once those that are whole are heard.
          for (let rounds = 0; rounds < 10; rounds++) {
            for (let replica = 0; replica < count; replica++) replicas.tell(replica, Number(LENGTH))
            take()
          }
          expect(taken).toEqual(Array.from({ length: Number(LENGTH - from) + 1 }, (_, at) => from + BigInt(at)))
        },
      ),
    )
  })

  it('gives each number once and in order, of replicas that tell of anything', () => {
    const words = fc.array(
      fc.tuple(fc.nat(2), fc.bigInt({ min: -5n, max: 100n }), fc.option(fc.uint8Array({ maxLength: 2 }), { nil: undefined })),
    )
    fc.assert(
      fc.property(words, (all) => {
        const agreement = new Agreement(1n, 3)
        let before = 0n
        for (const [replica, sequence, bytes] of all) {
          agreement.hear(String(replica), sequence, bytes)
          for (let agreed = agreement.take(); agreed !== undefined; agreed = agreement.take()) expect(agreed.sequence).toBe(++before)
        }
        expect(agreement.next).toBe(before + 1n)
        expect(agreement.hasRoom(agreement.next + 15n)).toBe(true)
        expect(agreement.hasRoom(agreement.next + 16n)).toBe(false)
      }),
    )
  })
})
