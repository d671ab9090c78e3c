import type { Cancel, Capability, CapabilityRegistry, EnrEntries, LocalRecord, NodeRecord } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'

/** The devp2p sub-protocols of a Host, and their entries in our own record. Holds as many as our caller adds. */
export class Capabilities implements CapabilityRegistry {
  readonly #byProtocol = new Map<string, Capability>()
  readonly #listeners = new Set<() => void>()
  readonly #record: LocalRecord | undefined
  #entryKeys = new Set<string>()
  #isStarted = false

  /** @param record - Undefined in a node that has none. */
  constructor(record: LocalRecord | undefined) {
    this.#record = record
  }

  /** @throws KumikoError `host/duplicate-capability` or `host/bad-capability`, or what its attributes throw; it is not added then. */
  add(capability: Capability): Cancel {
    const protocol = capabilityProtocol(checked(capability))
    if (this.#byProtocol.has(protocol)) throw duplicate(protocol)
    this.#byProtocol.set(protocol, capability)
    try {
      this.refresh()
    } catch (error) {
      this.#byProtocol.delete(protocol)
      throw error
    }
    this.#notify()
    return () => {
      if (this.#byProtocol.get(protocol) !== capability) return
      this.#byProtocol.delete(protocol)
      this.refresh()
      this.#notify()
    }
  }

  list(): Capability[] {
    return [...this.#byProtocol.values()].sort(byNameAndVersion)
  }

  has(protocol: string): boolean {
    return this.#byProtocol.has(protocol)
  }

  accepts(node: NodeRecord): boolean {
    return this.#byProtocol.size === 0 || this.#byProtocol.values().some((capability) => accepts(capability, node))
  }

  refresh(): void {
    if (!this.#isStarted || this.#record === undefined) return
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

  /** A listener that throws keeps neither the others nor our caller from going on; its error goes where an event listener's does. */
  #notify(): void {
    for (const listener of this.#listeners) {
      try {
        listener()
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
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

function accepts(capability: Capability, node: NodeRecord): boolean {
  try {
    return capability.accepts?.(node) ?? true
  } catch {
    return false
  }
}

/** What a remote would not understand is caught here: a name that Hello cannot carry, codes that are no whole numbers. */
function checked(capability: Capability): Capability {
  const { name, version, length } = capability
  if (/^[\x21-\x7e]{1,8}$/.test(name) && isCount(version) && isCount(length)) return capability
  throw new KumikoError(
    'host/bad-capability',
    `Capability ${name}/${version} of ${length} codes: want a name of 1 to 8 ASCII characters, and whole numbers`,
    { context: { name, version, length } },
  )
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 31
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
