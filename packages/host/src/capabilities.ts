import type { Cancel, Capability, CapabilityRegistry, EnrEntries, LocalRecord } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'

/** The devp2p sub-protocols of a Host, and their entries in our own record. Holds as many as our caller adds. */
export class Capabilities implements CapabilityRegistry {
  readonly #byProtocol = new Map<string, Capability>()
  readonly #listeners = new Set<() => void>()
  readonly #record: LocalRecord
  #entryKeys = new Set<string>()
  #isStarted = false

  constructor(record: LocalRecord) {
    this.#record = record
  }

  add(capability: Capability): Cancel {
    const protocol = capabilityProtocol(capability)
    if (this.#byProtocol.has(protocol)) throw duplicate(protocol)
    this.#byProtocol.set(protocol, capability)
    this.#changed()
    return () => {
      if (this.#byProtocol.get(protocol) !== capability) return
      this.#byProtocol.delete(protocol)
      this.#changed()
    }
  }

  list(): Capability[] {
    return [...this.#byProtocol.values()].sort(byNameAndVersion)
  }

  has(protocol: string): boolean {
    return this.#byProtocol.has(protocol)
  }

  refresh(): void {
    if (!this.#isStarted) return
    const entries = this.#entries()
    const gone = [...this.#entryKeys].filter((key) => !(key in entries))
    this.#entryKeys = new Set(Object.keys(entries))
    this.#record.setEntries({ ...Object.fromEntries(gone.map((key) => [key, undefined])), ...entries })
  }

  subscribe(listener: () => void): Cancel {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** From now on the record carries what the capabilities ask for. */
  start(): void {
    this.#isStarted = true
    this.refresh()
  }

  /** The record is left as it is: it is not told to anyone any more. */
  stop(): void {
    this.#isStarted = false
  }

  #changed(): void {
    this.refresh()
    for (const listener of this.#listeners) listener()
  }

  #entries(): EnrEntries {
    return Object.assign({}, ...this.list().map((capability) => capability.attributes?.() ?? {}))
  }
}

/** The libp2p protocol id of a capability: `/eth/69`. */
function capabilityProtocol(capability: { readonly name: string; readonly version: number }): string {
  return `/${capability.name}/${capability.version}`
}

function byNameAndVersion(a: Capability, b: Capability): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return a.version - b.version
}

function duplicate(protocol: string): KumikoError {
  return new KumikoError(
    'host/duplicate-capability',
    `Capability ${protocol} is offered twice: give it once in capabilities or in rlpx()`,
    {
      context: { protocol },
    },
  )
}
