import { curve, isDnsName } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'
import { decodeBase32, encodeBase32 } from './base32.ts'

/** Where a tree is, and whose signature it must bear. */
export interface TreeUrl {
  /** Compressed, 33 bytes; a point of the curve. */
  readonly publicKey: Uint8Array
  /** The DNS name that holds the root. */
  readonly domain: string
  /** `enrtree://<key in base32>@<domain>`: the same for the same tree. */
  readonly text: string
}

const PREFIX = 'enrtree://'

/** A name is at most 253 characters; a hash of 32 bytes and a dot take 53. */
const DOMAIN_LENGTH_MAX = 200

/**
 * Reads `enrtree://<key>@<domain>`, where the key is base32 without padding.
 *
 * @param text - Any text.
 * @returns The URL, or the fault `dns-discovery/bad-url`.
 * @see EIP-1459 § Specification
 */
export function parseTreeUrl(text: string): TreeUrl | Fault {
  if (!text.startsWith(PREFIX)) return badUrl('no "enrtree://" in front')
  const at = text.indexOf('@')
  if (at < 0) return badUrl('no public key')
  const publicKey = decodeBase32(text.slice(PREFIX.length, at))
  if (publicKey === undefined || curve.expand(publicKey) === undefined) return badUrl('bad public key')
  const domain = text.slice(at + 1)
  if (domain.length > DOMAIN_LENGTH_MAX || !isDnsName(domain)) return badUrl('bad domain')
  return treeUrl(publicKey, domain)
}

/** @param publicKey - Compressed, 33 bytes. */
export function treeUrl(publicKey: Uint8Array, domain: string): TreeUrl {
  const name = domain.toLowerCase().replace(/\.$/, '')
  return { publicKey, domain: name, text: `${PREFIX}${encodeBase32(publicKey)}@${name}` }
}

function badUrl(detail: string): Fault {
  return { fault: 'dns-discovery/bad-url', detail }
}
