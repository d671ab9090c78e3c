import type { Failures, Fault, Refusal } from '@kumiko/interface'

/** Counts what went wrong with connections, by code. Codes are ours, never the remote's text: that is what bounds it. */
export class FailureBook {
  readonly #faults = new Map<string, number>()
  readonly #refusals = new Map<string, number>()

  fault({ fault }: Fault): void {
    count(this.#faults, fault)
  }

  refusal({ code }: Refusal): void {
    count(this.#refusals, code)
  }

  failures(): Failures {
    return { faults: Object.fromEntries(this.#faults), refusals: Object.fromEntries(this.#refusals) }
  }
}

function count(counts: Map<string, number>, code: string): void {
  counts.set(code, (counts.get(code) ?? 0) + 1)
}
