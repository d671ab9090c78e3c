import { type ConfigGroup, type ConfigScope, equalBytes, MspConfig } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Msp } from '../contract.ts'
import { badConfig, valuesFault } from './config-values.ts'

/** Makes an organisation's MSP. @param bytes - `msp.MSPConfig`. */
export type MspFactory<M extends Msp> = (bytes: Uint8Array) => M | Fault

/** An organisation of a channel. */
export interface Organization<M extends Msp> {
  /** Its group's name, which need not be its MSP's. */
  readonly name: string
  readonly mspId: string
  readonly msp: M
}

/** The MSPs of a channel, of which each may be defined at more than one place, but not differently (`channelconfig/msp.go`). */
export class MspDefinitions<M extends Msp> {
  readonly #mspOf: MspFactory<M>
  /** At most one for each organisation of the configuration. */
  readonly #defined = new Map<string, { readonly config: Uint8Array; readonly msp: M }>()

  constructor(mspOf: MspFactory<M>) {
    this.#mspOf = mspOf
  }

  /** All of them, once each. */
  get msps(): readonly M[] {
    return [...this.#defined.values()].map(({ msp }) => msp)
  }

  /** Reads what every organisation has: its values, and its MSP (`channelconfig/organization.go`). */
  readOrganization(scope: ConfigScope, name: string, group: ConfigGroup): Organization<M> | Fault {
    if (group.groups.size > 0) return badConfig(`organization ${name} has groups below it`)
    const fault = valuesFault(scope, group)
    if (fault !== undefined) return fault
    const msp = this.#define(group.values.get('MSP')?.value ?? new Uint8Array())
    if (isFault(msp)) return badConfig(`MSP of organization ${name}: ${msp.fault}: ${msp.detail ?? ''}`)
    if (msp.mspId === '') return badConfig(`MSP of organization ${name} has no id`)
    return { name, mspId: msp.mspId, msp }
  }

  #define(bytes: Uint8Array): M | Fault {
    const msp = this.#mspOf(bytes)
    const decoded = MspConfig.decode(bytes)
    if (isFault(msp)) return msp
    if (isFault(decoded)) return decoded
    const config = MspConfig.encode(decoded)
    const before = this.#defined.get(msp.mspId)
    if (before === undefined) this.#defined.set(msp.mspId, { config, msp })
    else if (!equalBytes(before.config, config)) return badConfig(`two versions of MSP ${msp.mspId} are defined`)
    return before?.msp ?? msp
  }
}

/** Reads organisations by their groups. */
export function readOrganizations<T extends object>(
  groups: ReadonlyMap<string, ConfigGroup>,
  read: (name: string, group: ConfigGroup) => T | Fault,
): ReadonlyMap<string, T> | Fault {
  const organizations = new Map<string, T>()
  for (const [name, group] of groups) {
    const organization = read(name, group)
    if (isFault(organization)) return organization
    organizations.set(name, organization)
  }
  return organizations
}
