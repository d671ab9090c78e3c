import { type ConfigGroup, type ConfigPolicy, POLICY_TYPE } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { readImplicitMetaPolicy } from './implicit-meta-policy.ts'
import { type Policy, rejectPolicy } from './policy.ts'
import { readSignaturePolicy } from './signature-policy.ts'

/** The policies of a channel's group and of all below it (`common/policies.ManagerImpl`). Immutable. */
export interface PolicyTree {
  /** Without the first slash: `Channel/Application`. */
  readonly path: string
  readonly groups: ReadonlyMap<string, PolicyTree>

  /**
   * @param name - Absolute (`/Channel/Application/Readers`), or relative to this group (`Readers`, `Org1/Readers`).
   * @returns Undefined for one that is not there: {@link PolicyTree.policyOrReject} has a policy for that too.
   */
  policy(name: string): Policy | undefined

  /** As {@link PolicyTree.policy}, with one that nothing satisfies in place of what is not there. */
  policyOrReject(name: string): Policy

  /** The tree of a group below. @param path - Names of groups, from here on. */
  group(path: readonly string[]): PolicyTree | undefined
}

/**
 * Reads the policies of a configuration group (`policies.NewManagerImpl`).
 * @param path - Of the group, without the first slash: `Channel`.
 * @returns A fault where a policy is missing, of an unknown type, or does not compile: Fabric refuses the configuration then.
 */
export function readPolicyTree(path: string, group: ConfigGroup): PolicyTree | Fault {
  const groups = new Map<string, PolicyTree>()
  for (const [name, below] of group.groups) {
    const tree = readPolicyTree(`${path}/${name}`, below)
    if (isFault(tree)) return tree
    groups.set(name, tree)
  }
  const policies = new Map<string, Policy>()
  for (const [name, configured] of group.policies) {
    const policy = readConfigPolicy(configured, groups)
    if (isFault(policy)) return { fault: policy.fault, detail: `/${path}/${name}: ${policy.detail ?? ''}`.slice(0, 200) }
    policies.set(name, policy)
  }
  return treeOf(path, groups, policies)
}

function treeOf(path: string, groups: ReadonlyMap<string, PolicyTree>, policies: ReadonlyMap<string, Policy>): PolicyTree {
  const tree: PolicyTree = {
    path,
    groups,
    policy: (name) => {
      const relative = relativeName(path, name)
      return relative === undefined ? undefined : findRelative(groups, policies, relative)
    },
    policyOrReject: (name) => tree.policy(name) ?? rejectPolicy(name),
    group: ([first, ...rest]) => (first === undefined ? tree : groups.get(first)?.group(rest)),
  }
  return tree
}

/** A name relative to the group. As in Fabric, which letter follows the group's path in an absolute name is not looked at. */
function relativeName(path: string, name: string): string | undefined {
  if (!name.startsWith('/')) return name === '' ? undefined : name
  const isBelow = name.startsWith(`/${path}`) && name.charCodeAt(path.length + 1) < 0x80
  return isBelow ? name.slice(path.length + 2) : undefined
}

/** Names have no slash (`configtx.validateConfigID`), so there is one way to split a path. */
function findRelative(groups: ReadonlyMap<string, PolicyTree>, policies: ReadonlyMap<string, Policy>, name: string): Policy | undefined {
  const slash = name.indexOf('/')
  if (slash < 0) return policies.get(name)
  const rest = name.slice(slash + 1)
  return rest.startsWith('/') ? undefined : groups.get(name.slice(0, slash))?.policy(rest)
}

function readConfigPolicy({ policy }: ConfigPolicy, groups: ReadonlyMap<string, PolicyTree>): Policy | Fault {
  if (policy === undefined) return { fault: 'fabric-msp/bad-policy', detail: 'there is none' }
  switch (policy.type) {
    case POLICY_TYPE.signature:
      return readSignaturePolicy(policy.value)
    case POLICY_TYPE.implicitMeta:
      return readImplicitMetaPolicy(policy.value, (name) => [...groups.values()].map((tree) => tree.policyOrReject(name)))
    default:
      return { fault: 'fabric-msp/bad-policy', detail: `its type ${policy.type} is unknown` }
  }
}
