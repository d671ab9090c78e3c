import { createCipheriv } from 'node:crypto'
import { seeded } from '@kumiko/testkit'
import type { Secrets } from '../src/frame.ts'
import { FrameMac, macKey } from '../src/mac.ts'

/** The secrets of both sides of a session. */
export function secretsPair(seed = 1): [Secrets, Secrets] {
  const { bytes } = seeded(seed)
  const [aes, mac, a, b] = [bytes(32), bytes(32), [bytes(32), bytes(300)], [bytes(32), bytes(200)]]
  return [
    { aes, mac, egress: a, ingress: b },
    { aes, mac, egress: b, ingress: a },
  ]
}

/**
 * The first frame of a session, with a content that a writer of ours would never make, and MACs that are right.
 *
 * @param size - As the header tells it.
 */
export function rawFrame({ aes, egress, mac }: Secrets, content: Uint8Array, size: number = content.length): Uint8Array {
  const cipher = createCipheriv('aes-256-ctr', aes, new Uint8Array(16))
  const frameMac = new FrameMac(macKey(mac), ...egress)
  const header = cipher.update(Uint8Array.of(size >> 16, (size >> 8) & 0xff, size & 0xff, 0xc2, 0x80, 0x80, ...new Uint8Array(10)))
  const headerMac = Buffer.from(frameMac.header(header))
  const body = cipher.update(Buffer.concat([content, new Uint8Array(-content.length & 15)]))
  return Buffer.concat([header, headerMac, body, frameMac.body(body)])
}
