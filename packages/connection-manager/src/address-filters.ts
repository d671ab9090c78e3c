import { type IpNetwork, ipBytes, ipOf, NetList, registerRlpx } from '@kumiko/identity'
import { type AddressFilters, type FilterAction, KumikoError } from '@kumiko/interface'
import { isMultiaddr, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { maskOf, networkOfMask } from './mask.ts'

/** So many rules at most: an address is held against each. */
const FILTERS_MAX = 4_096

const ACTIONS: ReadonlySet<unknown> = new Set<FilterAction>(['none', 'accept', 'deny'])

/** A rule, as it is given and kept. */
export interface AddressFilter {
  readonly mask: string
  readonly action: FilterAction
}

/** All rules, as they are given and kept. */
export interface AddressFilterState {
  readonly filters: readonly AddressFilter[]
  readonly defaultAction: FilterAction
}

/** The rules on networks. Pure: whoever keeps them is told of each edit. */
export class AddressFilterSet implements AddressFilters {
  /** By mask. A rule whose action changes keeps its place. */
  readonly #rules = new Map<string, { readonly network: NetList; readonly action: FilterAction }>()
  readonly #onEdit: () => void
  #defaultAction: FilterAction = 'accept'

  /** @param onEdit - Called before each edit; may throw to prevent it. What it reads later is the state after the edit. */
  constructor(onEdit: () => void = () => {}) {
    this.#onEdit = onEdit
  }

  get defaultAction(): FilterAction {
    return this.#defaultAction
  }

  /** @throws KumikoError `connection-manager/bad-option`, `connection-manager/not-started`. */
  set defaultAction(action: FilterAction) {
    checkAction(action)
    this.#onEdit()
    this.#defaultAction = action
  }

  addFilter(mask: string | Multiaddr, action: FilterAction): void {
    const network = networkOfMask(mask)
    checkAction(action)
    if (this.#rules.size >= FILTERS_MAX && !this.#rules.has(maskOf(network))) throw tooMany()
    this.#onEdit()
    this.#set(network, action)
  }

  remove(mask: string | Multiaddr): boolean {
    const key = maskOf(networkOfMask(mask))
    if (!this.#rules.has(key)) return false
    this.#onEdit()
    return this.#rules.delete(key)
  }

  filtersFor(action: FilterAction): string[] {
    return this.state().filters.flatMap((filter) => (filter.action === action ? [filter.mask] : []))
  }

  actionFor(mask: string | Multiaddr): FilterAction | undefined {
    return this.#rules.get(maskOf(networkOfMask(mask)))?.action
  }

  isBlocked(address: string | Multiaddr): boolean {
    return (this.match(ipOf(parse(address))) ?? this.#defaultAction) === 'deny'
  }

  /** The action of the last rule that an address matches. @param ip - Undefined: it has none. */
  match(ip: string | undefined): FilterAction | undefined {
    const bytes = ip === undefined || this.#rules.size === 0 ? undefined : ipBytes(ip)
    let action: FilterAction | undefined
    if (bytes === undefined) return undefined
    for (const rule of this.#rules.values()) if (rule.network.contains(bytes)) action = rule.action
    return action
  }

  /** All rules. A copy. */
  state(): AddressFilterState {
    return { defaultAction: this.#defaultAction, filters: [...this.#rules].map(([mask, { action }]) => ({ mask, action })) }
  }

  /**
   * Puts these rules in the place of all others, which is no edit.
   *
   * @throws KumikoError `connection-manager/bad-mask`, `connection-manager/bad-option`, `connection-manager/too-many-filters`; then nothing has changed.
   */
  replace({ filters, defaultAction }: AddressFilterState): void {
    checkAction(defaultAction)
    const rules = filters.map(({ mask, action }) => ({ network: networkOfMask(mask), action: checkAction(action) }))
    if (new Set(rules.map(({ network }) => maskOf(network))).size > FILTERS_MAX) throw tooMany()
    this.#rules.clear()
    for (const { network, action } of rules) this.#set(network, action)
    this.#defaultAction = defaultAction
  }

  #set(network: IpNetwork, action: FilterAction): void {
    this.#rules.set(maskOf(network), { network: new NetList([network]), action })
  }
}

/** @throws KumikoError `connection-manager/bad-option`. */
function checkAction(action: FilterAction): FilterAction {
  if (ACTIONS.has(action)) return action
  throw new KumikoError('connection-manager/bad-option', `${String(action)} is no filter action: want none, accept or deny`, {
    context: { action },
  })
}

function parse(address: string | Multiaddr): Multiaddr {
  registerRlpx()
  try {
    return isMultiaddr(address) ? address : multiaddr(address)
  } catch (cause) {
    throw new KumikoError('connection-manager/bad-target', `bad address "${`${address}`.slice(0, 200)}": want a multiaddr`, { cause })
  }
}

function tooMany(): KumikoError {
  return new KumikoError('connection-manager/too-many-filters', `there are ${FILTERS_MAX} address filters: remove some, or join networks`)
}
