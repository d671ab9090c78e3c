import { decodeRlp, encodeRlp, isRlpBytes, isRlpList, type RlpItem, rlpUint } from '@kumiko/identity'
import type { Capability, CapabilityId, Fault } from '@kumiko/interface'

/** The version of the base protocol that we speak. From 5 on, messages are compressed. @see EIP-706 */
export const P2P_VERSION = 5
/** The oldest that is still spoken to. */
export const P2P_VERSION_MIN = 4
/** The largest Hello or Disconnect that is taken, in bytes. */
export const BASE_MESSAGE_SIZE_MAX = 2048
/** Codes below this one are the base protocol's. @see devp2p/rlpx.md § Capability Messaging */
export const BASE_CODES = 0x10

const CLIENT_ID_CHARACTERS_MAX = 256
/** What is no such name is no capability of ours; it may be an escape sequence, for whoever prints it. */
const CAPABILITY_NAME = /^[\x21-\x7e]{1,8}$/

/** What each side says first. @see devp2p/rlpx.md § Hello (0x00) */
export interface Hello {
  readonly version: number
  readonly clientId: string
  readonly capabilities: readonly CapabilityId[]
  /** 0 where the node does not say. */
  readonly listenPort: number
  /** 64 bytes. */
  readonly publicKey: Uint8Array
}

/** A capability that both sides speak, with the place of its codes. */
export interface SharedCapability {
  readonly capability: Capability
  /** Its code 0 on the wire. */
  readonly offset: number
}

/** @returns The RLP of a Hello. */
export function encodeHello(hello: Hello): Uint8Array {
  const capabilities = hello.capabilities.map(({ name, version }) => [Buffer.from(name, 'ascii'), version])
  return encodeRlp([hello.version, Buffer.from(hello.clientId), capabilities, hello.listenPort, hello.publicKey])
}

/** Decodes a Hello. Items behind the known ones are ignored, as EIP-8 asks; so are capabilities whose name cannot be one. */
export function decodeHello(data: Uint8Array): Hello | Fault {
  const list = decodeRlp(data)
  if (!isRlpList(list)) return { fault: 'rlpx/bad-hello', detail: 'not a list' }
  const [version, clientId, capabilities, listenPort, publicKey] = list
  const versionNumber = rlpUint(version, 6)
  if (versionNumber === undefined || !isRlpBytes(clientId) || !isRlpList(capabilities)) return { fault: 'rlpx/bad-hello', detail: 'fields' }
  if (!isRlpBytes(publicKey) || publicKey.length !== 64 || publicKey.every((byte) => byte === 0)) return { fault: 'rlpx/null-identity' }
  const named = capabilities.map(capabilityOf)
  if (named.includes(undefined)) return { fault: 'rlpx/bad-hello', detail: 'capabilities' }
  return {
    version: versionNumber,
    clientId: printable(clientId),
    capabilities: named.filter((capability) => capability !== undefined).filter(({ name }) => CAPABILITY_NAME.test(name)),
    listenPort: rlpUint(listenPort, 6) ?? 0,
    publicKey,
  }
}

function capabilityOf(item: RlpItem): CapabilityId | undefined {
  if (!isRlpList(item)) return undefined
  const [name, version] = item
  const versionNumber = rlpUint(version, 6)
  if (!isRlpBytes(name) || versionNumber === undefined) return undefined
  return { name: Buffer.from(name).toString('latin1'), version: versionNumber }
}

/** A remote's text, fit for a terminal: control characters become `?`. */
function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('utf8')
    .slice(0, CLIENT_ID_CHARACTERS_MAX)
    .replace(/[\p{Cc}\p{Cf}]/gu, '?')
}

/**
 * What two nodes speak with one another: of each name that both have, the highest common version, in the order of names.
 *
 * @see devp2p/rlpx.md § Capability Messaging
 */
export function matchCapabilities(ours: readonly Capability[], theirs: readonly CapabilityId[]): SharedCapability[] {
  const best = new Map<string, Capability>()
  for (const capability of ours) {
    const isShared = theirs.some(({ name, version }) => name === capability.name && version === capability.version)
    const other = best.get(capability.name)
    if (isShared && (other === undefined || other.version < capability.version)) best.set(capability.name, capability)
  }
  let offset = BASE_CODES
  return [...best.values()]
    .sort((a, b) => compareNames(a.name, b.name))
    .map((capability) => {
      const shared = { capability, offset }
      offset += capability.length
      return shared
    })
}

/** ASCII order; names hold nothing else. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
