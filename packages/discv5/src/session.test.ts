import { expect, it } from 'vitest'
import { recordAt } from '../test/party.ts'
import { Session, Sessions } from './session.ts'

const node = recordAt(new Uint8Array(32).fill(5), { ip: '127.0.0.1', port: 30303 })
const keys = Uint8Array.from({ length: 32 }, (_, i) => i)
const session = (now = 0): Session => new Session({ keys, role: 'recipient', node, now })

it('never gives a nonce twice, whatever chance does', () => {
  const one = session()
  const nonces = Array.from({ length: 300 }, () => Buffer.from(one.nonce((length) => new Uint8Array(length))).toString('hex'))
  expect(new Set(nonces).size).toBe(300)
})

it('opens what the other role sealed, and nothing else', () => {
  const [ours, theirs] = [session(), new Session({ keys, role: 'initiator', node, now: 0 })]
  const [nonce, header, message] = [new Uint8Array(12), new Uint8Array(71), Uint8Array.of(1, 2, 3)]
  const sealed = theirs.seal(nonce, message, header)
  expect(ours.open(nonce, sealed, header)).toEqual(Buffer.from(message))
  expect(theirs.open(nonce, sealed, header)).toBeUndefined()
  expect(ours.open(nonce, sealed, header.fill(1))).toBeUndefined()
  expect(ours.open(nonce, new Uint8Array(3), header)).toBeUndefined()
})

it('goes when it was unused for longest', () => {
  const sessions = new Sessions(2)
  const [a, b, c] = [session(), session(), session()]
  sessions.set('a', a, undefined, 0)
  sessions.set('b', b, undefined, 0)
  expect(sessions.get('a', 2000)).toBe(a)
  sessions.set('c', c, undefined, 3000)
  expect([sessions.get('a', 3000), sessions.get('b', 3000), sessions.get('c', 3000)]).toEqual([a, undefined, c])
})

it('is behind the one that takes its place, alone', () => {
  const sessions = new Sessions(2)
  const [a, b, c] = [session(), session(), session()]
  for (const each of [a, b, c]) sessions.set('key', each, undefined, 0)
  expect([c.previous, b.previous, a.previous]).toEqual([b, undefined, undefined])
  expect(sessions.size).toBe(1)
})

it('of an address that has an eighth of all goes before any other, the one that was unused for longest first', () => {
  const sessions = new Sessions(16)
  const keys = Array.from({ length: 20 }, (_, i) => `${i}`)
  sessions.set('other', session(), '192.0.2.2', 0)
  for (const key of keys) sessions.set(key, session(), '192.0.2.1', 0)
  expect(keys.filter((key) => sessions.get(key, 0) !== undefined)).toEqual(['18', '19'])
  sessions.set('18', session(), '192.0.2.1', 0)
  sessions.set('20', session(), '192.0.2.1', 0)
  expect(['other', '18', '19', '20'].filter((key) => sessions.get(key, 0) !== undefined)).toEqual(['other', '18', '20'])
})
