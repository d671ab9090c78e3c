import type { Lookup } from '@kumiko/identity'
import type { Clock, Millis } from '@kumiko/interface'
import type { QueryTxt } from './dnsaddr.ts'
import type { ResolveTxt } from './system-txt.ts'
import { within } from './within.ts'

/** A name that is not found in time leaves the peer's other addresses theirs. */
const TIMEOUT_MS: Millis = 5000

/** Names that are looked up for one dial at most, TXT records and IPs each, so that who gives us addresses does not have us ask for hundreds. */
const NAMES_MAX = 16

/** What names are looked up with. */
export interface NameLookupsOptions {
  readonly clock: Clock
  readonly lookup: Lookup
  readonly resolveTxt: ResolveTxt
  /** Nobody waits for them any longer. */
  readonly signal: AbortSignal
}

/** The names that are looked up for one dial, each once; {@link NAMES_MAX} of either kind, those behind lead nowhere. Never throws. */
export class NameLookups {
  readonly #options: NameLookupsOptions
  readonly #ips: Answers = new Map()
  readonly #txt: Answers = new Map()
  readonly #txtEndsAt: Millis

  constructor(options: NameLookupsOptions) {
    this.#options = options
    this.#txtEndsAt = options.clock.now() + TIMEOUT_MS
  }

  /** The IPs of a name. */
  readonly ips: Lookup = (name, family) => {
    const { lookup } = this.#options
    return this.#once(this.#ips, `${family} ${name}`, TIMEOUT_MS, async (signal) => await lookup(name, family, { signal }))
  }

  /** The TXT records of a name. All together get as long as one. */
  readonly txt: QueryTxt = (name) => {
    const { resolveTxt, clock } = this.#options
    const ask: Ask = async (signal) => (await resolveTxt(name, { signal })).map((strings) => strings.join(''))
    return this.#once(this.#txt, name, this.#txtEndsAt - clock.now(), ask)
  }

  async #once(answers: Answers, key: string, timeoutMs: Millis, ask: Ask): Promise<readonly string[]> {
    const { clock, signal } = this.#options
    const known = answers.get(key)
    if (known !== undefined) return await known
    if (answers.size >= NAMES_MAX) return []
    const answer = within({ clock, timeoutMs, signal }, ask).catch(() => [])
    answers.set(key, answer)
    return await answer
  }
}

/** By what was asked for. */
type Answers = Map<string, Promise<readonly string[]>>

type Ask = (signal: AbortSignal) => Promise<readonly string[]>
