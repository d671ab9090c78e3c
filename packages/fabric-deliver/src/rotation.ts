import type { Endpoint } from '@kumiko/fabric-grpc'
import type { Random } from '@kumiko/interface'
import { isSameEndpoint } from './endpoint.ts'

/** Endpoints in random order, each once before any comes again, so that a network's peers spread over its orderers. */
export class Rotation {
  readonly #random: Random
  #endpoints: readonly Endpoint[]
  /** The rest of the round, last first. At most as many as there are endpoints. */
  #round: Endpoint[] = []
  #last: Endpoint | undefined

  /** @param endpoints - One or more. */
  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#endpoints = endpoints
    this.#random = random
  }

  /** How many different addresses there are. */
  get addresses(): number {
    return new Set(this.#endpoints.map(({ address }) => address)).size
  }

  /** The next, which is not the one before unless there is no other. */
  next(): Endpoint {
    if (this.#round.length === 0) this.#round = this.#shuffled()
    const next = this.#round.pop()
    if (next === undefined) throw new RangeError('a rotation has one endpoint or more')
    this.#last = next
    return next
  }

  /** Goes on with others. @param endpoints - One or more. */
  replace(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints
    this.#round = []
  }

  has(endpoint: Endpoint): boolean {
    return this.#endpoints.some((other) => isSameEndpoint(other, endpoint))
  }

  #shuffled(): Endpoint[] {
    const order = [...this.#endpoints]
    for (let left = order.length; left > 1; left--) swap(order, Math.floor(this.#random() * left), left - 1)
    // Which comes first stands last.
    const first = order.at(-1)
    if (first && this.#last && isSameEndpoint(first, this.#last)) swap(order, 0, order.length - 1)
    return order
  }
}

function swap<T>(list: T[], a: number, b: number): void {
  const [first, second] = [list[a], list[b]]
  if (first === undefined || second === undefined) return
  list[a] = second
  list[b] = first
}
