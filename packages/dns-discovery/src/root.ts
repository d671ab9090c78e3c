import { curve, keccak256 } from '@kumiko/identity'
import type { Fault } from '@kumiko/interface'
import { base64url } from 'multiformats/bases/base64'
import { isEntryHash } from './entry.ts'

/** What a tree's root says, without its signature. */
export interface RootContent {
  /** The hash of the entry that holds the nodes. */
  readonly nodes: string
  /** The hash of the entry that holds the links. */
  readonly links: string
  /** Goes up with each change of the tree. 0 to 2^64 − 1. */
  readonly seq: bigint
}

/** A tree's root. */
export interface Root extends RootContent {
  /** 65 bytes, r‖s‖recovery id. */
  readonly signature: Uint8Array
}

/** EIP-1459: `enrtree-root:v1`. */
export const ROOT_PREFIX = 'enrtree-root:v1'

/** The greatest sequence number. */
export const SEQ_MAX: bigint = 2n ** 64n - 1n

const ROOT = /^enrtree-root:v1 e=([A-Z2-7]+) l=([A-Z2-7]+) seq=(0|[1-9][0-9]{0,19}) sig=([A-Za-z0-9_-]{87})$/

/**
 * Reads `enrtree-root:v1 e=… l=… seq=… sig=…`. Says nothing of whose signature it is: ask {@link isSignedBy}.
 *
 * @param text - Any text.
 * @returns The root, or the fault `dns-discovery/bad-root`.
 */
export function parseRoot(text: string): Root | Fault {
  const [, nodes = '', links = '', seq = '', signature = ''] = ROOT.exec(text) ?? []
  if (nodes === '') return badRoot('want e=, l=, seq= and a sig= of 65 bytes')
  if (!isEntryHash(nodes) || !isEntryHash(links)) return badRoot('bad hash')
  if (BigInt(seq) > SEQ_MAX) return badRoot('bad sequence number')
  const bytes = signatureOf(signature)
  return bytes === undefined ? badRoot('bad signature') : { nodes, links, seq: BigInt(seq), signature: bytes }
}

/** The root's text. */
export function formatRoot(root: Root): string {
  return `${formatContent(root)} sig=${base64url.baseEncode(root.signature)}`
}

/** Tells whether the owner of a key signed a root. @param publicKey - Compressed, 33 bytes. */
export function isSignedBy(root: Root, publicKey: Uint8Array): boolean {
  const expanded = curve.expand(publicKey)
  return expanded !== undefined && curve.verify(hashOf(root), root.signature.subarray(0, 64), expanded)
}

/** @param secretKey - Must be valid. */
export function signRoot(content: RootContent, secretKey: Uint8Array): Root {
  return { ...content, signature: curve.sign(hashOf(content), secretKey) }
}

function formatContent({ nodes, links, seq }: RootContent): string {
  return `${ROOT_PREFIX} e=${nodes} l=${links} seq=${seq}`
}

function hashOf(content: RootContent): Uint8Array {
  return keccak256(new TextEncoder().encode(formatContent(content)))
}

function signatureOf(text: string): Uint8Array | undefined {
  try {
    return base64url.baseDecode(text)
  } catch {
    return undefined
  }
}

function badRoot(detail: string): Fault {
  return { fault: 'dns-discovery/bad-root', detail }
}
