import { expect, test } from 'vitest'
import { rendezvousKey } from './rendezvous-key.ts'

test('is CIDv1, raw, sha2-256 of the text, as go-libp2p’s nsToCid', () => {
  // Made with Python's hashlib and base64 of 01 55 12 20 and the hash.
  expect(rendezvousKey('meet me here').toString()).toBe('bafkreid5twhz53afhh7w732wlc3fuypcjcehag2vlpixqtegcejqk5dbsy')
})
