import { curve, nodeFromParts } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { Key } from 'interface-datastore'

/** What the writer writes and the tests look for. */
export function keyOf(index: number): Key {
  return new Key(`/written/${index}`)
}

/** Some 2 KiB, so that LevelDB makes tables, too. */
export function contentOf(index: number): Uint8Array {
  return new Uint8Array(2000 + (index % 100)).fill(index % 251)
}

/** Written in one batch with its pair. */
export function pairOf(index: number): Key {
  return new Key(`/pair/${index}`)
}

export function nodeOf(index: number): NodeRecord {
  const secretKey = new Uint8Array(32)
  new DataView(secretKey.buffer).setUint32(28, index + 1)
  return nodeFromParts({ publicKey: curve.compress(curve.publicKey(secretKey)), endpoints: [{ host: '10.0.0.1', udp: 30303 }] })
}
