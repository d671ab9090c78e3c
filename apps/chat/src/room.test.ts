import { describe, expect, it } from 'vitest'
import { encodeMessage } from './message.ts'
import { OWN_LINES_MAX, PEERS_MAX, Room, type RoomEffect } from './room.ts'

const NOW = 1_000_000
const TAG = 'tag'
const hello = (fields: object = {}): string => JSON.stringify({ type: 'hello', room: TAG, last: 0, ...fields })
const said = (at: number, text: string): string => encodeMessage({ type: 'said', at, text })
const room = (): Room => new Room({ self: 'b', tag: TAG, name: 'bob' })
const plain = (id: number, peer: string, isOurs = false) => ({ id, peer, kind: 'plain', isOurs }) as const
const kumiko = (id: number, peer: string, isOurs = false) => ({ id, peer, kind: 'kumiko', isOurs }) as const
const told = (effects: readonly RoomEffect[]) => effects.flatMap((effect) => (effect.do === 'tell' ? [effect.event] : []))
const sends = (effects: readonly RoomEffect[]) =>
  effects.flatMap((effect) => (effect.do === 'send' ? [[effect.session, ...effect.lines]] : []))

describe('a room with a peer of ours', () => {
  it('greets, and takes the peer in when it has greeted', () => {
    const one = room()
    expect(one.open(kumiko(1, 'a'), NOW)).toEqual([
      { do: 'send', session: 1, lines: ['{"type":"hello","room":"tag","last":0,"name":"bob"}'] },
    ])
    expect(one.present()).toEqual([])
    expect(one.receive(1, hello({ name: 'ann', last: 7 }), NOW)).toEqual([
      { do: 'tell', event: { type: 'joined', peer: 'a', name: 'ann', seen: 7, isBack: false } },
    ])
    expect(one.present()).toEqual([{ peer: 'a', name: 'ann', kind: 'kumiko' }])
  })

  it('tells a newcomer nothing of what others have heard', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello(), NOW)
    expect(sends(one.say('early', NOW))).toEqual([[1, said(NOW, 'early')]])
    expect(one.open(kumiko(2, 'c'), NOW)).toEqual([
      { do: 'send', session: 2, lines: [`{"type":"hello","room":"tag","last":${NOW},"name":"bob"}`] },
    ])
    expect(sends(one.receive(2, hello(), NOW))).toEqual([])
    one.sent(1)
    expect(sends(one.say('late', NOW))).toEqual([
      [1, said(NOW + 1, 'late')],
      [2, said(NOW + 1, 'late')],
    ])
  })

  it('keeps what is said to an empty room for the first who comes', () => {
    const one = room()
    one.say('anybody?', NOW)
    one.open(kumiko(1, 'a'), NOW)
    expect(sends(one.receive(1, hello(), NOW))).toEqual([[1, said(NOW, 'anybody?')]])
  })

  it('tells who is back what it missed, and shows nothing twice', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello({ last: 5 }), NOW)
    expect(told(one.receive(1, said(6, 'six'), NOW))).toEqual([{ type: 'line', peer: 'a', at: 6, text: 'six' }])
    expect(one.receive(1, said(6, 'six'), NOW)).toEqual([])
    expect(one.receive(1, said(5, 'five'), NOW)).toEqual([])
    one.say('heard', NOW)
    one.closed(1, NOW)
    expect(one.deadline).toBe(NOW + 5_000)
    expect(one.expire(NOW + 4_999)).toEqual([])
    expect(told(one.expire(NOW + 5_000))).toEqual([{ type: 'left', peer: 'a', isForGood: false }])
    one.say('missed', NOW)
    expect(sends(one.open(kumiko(2, 'a'), NOW))).toEqual([[2, expect.stringContaining('"seen":6')]])
    const back = one.receive(2, hello({ last: 6, seen: NOW }), NOW)
    expect(told(back)).toMatchObject([{ type: 'joined', isBack: true }])
    expect(sends(back)).toEqual([[2, said(NOW + 1, 'missed')]])
  })

  it('tells nobody of a short interruption', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello(), NOW)
    one.closed(1, NOW)
    one.open(kumiko(2, 'a'), NOW + 1000)
    expect(one.receive(2, hello({ seen: 0 }), NOW + 1000)).toEqual([])
    expect(one.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('sends no more than the stream takes', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello(), NOW)
    expect(sends(one.say('first', NOW))).toHaveLength(1)
    for (let count = 0; count < 40; count++) expect(sends(one.say(`${count}`, NOW))).toEqual([])
    expect(sends(one.sent(1)).map((lines) => lines.length - 1)).toEqual([32])
    expect(sends(one.sent(1)).map((lines) => lines.length - 1)).toEqual([8])
    expect(sends(one.sent(1))).toEqual([])
  })

  it('forgets the oldest of its own lines', () => {
    const one = room()
    for (let count = 0; count < OWN_LINES_MAX + 9; count++) one.say(`${count}`, NOW)
    one.open(kumiko(1, 'a'), NOW)
    const all = sends(one.receive(1, hello(), NOW))
    for (let more = sends(one.sent(1)); more.length > 0; more = sends(one.sent(1))) all.push(...more)
    expect(all.flatMap(([, ...lines]) => lines)).toHaveLength(OWN_LINES_MAX)
    expect(all[0]?.[1]).toBe(said(NOW + 9, '9'))
  })

  it('goes on above what others have of it, where its own past is lost', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello({ seen: NOW + 500 }), NOW)
    expect(sends(one.say('new', NOW))).toEqual([[1, said(NOW + 501, 'new')]])
    one.open(kumiko(2, 'c'), NOW)
    one.receive(2, hello({ seen: Number.MAX_SAFE_INTEGER }), NOW)
    expect(sends(one.say('newer', NOW))).toEqual([[2, said(NOW + 502, 'newer')]])
  })

  it('says goodbye, and takes it', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.open(plain(2, 'c'), NOW)
    one.receive(1, hello(), NOW)
    expect(one.leave()).toEqual([
      { do: 'send', session: 1, lines: ['{"type":"bye"}'] },
      { do: 'end', session: 1 },
      { do: 'end', session: 2 },
    ])
    expect(one.receive(1, '{"type":"bye"}', NOW)).toEqual([{ do: 'end', session: 1 }])
    expect(told(one.closed(1, NOW))).toEqual([{ type: 'left', peer: 'a', isForGood: true }])
  })

  it.each([
    ['{', 'chat/bad-message'],
    ['{"type":"hello"}', 'chat/bad-message'],
    [hello({ room: 'other' }), 'chat/other-room'],
    [said(1, 'no hello'), 'chat/bad-message'],
  ])('cuts off whoever begins with %s', (line, fault) => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    expect(one.receive(1, line, NOW)).toMatchObject([{ do: 'end', session: 1, fault: { fault } }])
    expect(one.closed(1, NOW)).toEqual([])
    expect(one.present()).toEqual([])
  })

  it('cuts off whoever greets twice, or never', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello(), NOW)
    expect(one.receive(1, hello(), NOW)).toMatchObject([{ do: 'end', fault: { fault: 'chat/bad-message' } }])
    one.open(kumiko(2, 'c'), NOW)
    expect(one.deadline).toBe(NOW + 10_000)
    expect(one.expire(NOW + 10_000)).toEqual([{ do: 'end', session: 2, fault: { fault: 'chat/no-hello' } }])
  })

  it('skips what it does not know', () => {
    const one = room()
    one.open(kumiko(1, 'a'), NOW)
    one.receive(1, hello(), NOW)
    expect(one.receive(1, '{"type":"reaction","emoji":"+1"}', NOW)).toEqual([])
  })

  it('keeps one of two streams: the one that the lesser id opened', () => {
    for (const [self, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const one = new Room({ self, tag: TAG })
      one.open(kumiko(1, other, true), NOW)
      one.open(kumiko(2, other, false), NOW)
      one.receive(1, hello(), NOW)
      const effects = one.receive(2, hello(), NOW)
      // Whoever opened the other closes it.
      expect(effects).toEqual(self === 'a' ? [] : [{ do: 'end', session: 1 }])
      expect(sends(one.say('x', NOW)).map(([session]) => session)).toEqual([self === 'a' ? 1 : 2])
    }
  })

  it('goes on with the other stream where one is lost', () => {
    const one = new Room({ self: 'a', tag: TAG })
    one.open(kumiko(1, 'b', true), NOW)
    one.open(kumiko(2, 'b', false), NOW)
    for (const id of [1, 2]) one.receive(id, hello(), NOW)
    expect(sends(one.say('lost', NOW)).map(([session]) => session)).toEqual([1])
    expect(one.closed(1, NOW)).toEqual([{ do: 'send', session: 2, lines: [said(NOW, 'lost')] }])
    expect(one.present()).toHaveLength(1)
  })

  it('has bounds', () => {
    const one = room()
    for (let id = 0; id < PEERS_MAX; id++) one.open(plain(id, `peer ${id}`), NOW)
    expect(one.open(plain(999, 'one more'), NOW)).toEqual([{ do: 'end', session: 999, fault: { fault: 'chat/room-full' } }])
    for (let id = 1000; id < 1003; id++) expect(one.open(plain(id, 'peer 0'), NOW)).toEqual([])
    expect(one.open(plain(1003, 'peer 0'), NOW)).toEqual([{ do: 'end', session: 1003, fault: { fault: 'chat/too-many-streams' } }])
  })
})

describe('a room with a plain peer', () => {
  it('takes it in at once, and speaks in lines', () => {
    const one = room()
    expect(told(one.open(plain(1, 'a'), NOW))).toEqual([{ type: 'joined', peer: 'a', seen: NOW, isBack: false }])
    expect(sends(one.say('hi', NOW))).toEqual([[1, 'hi']])
    expect(told(one.receive(1, '{"type":"bye"}', NOW))).toEqual([{ type: 'line', peer: 'a', at: NOW, text: '{"type":"bye"}' }])
    expect(one.receive(1, ' ', NOW)).toEqual([])
  })

  it('reads all of its streams, and writes each line on one: that which we opened', () => {
    const one = room()
    one.open(plain(1, 'a', false), NOW)
    expect(one.isReached('a')).toBe(false)
    expect(sends(one.say('on theirs', NOW))).toEqual([[1, 'on theirs']])
    one.sent(1)
    expect(one.open(plain(2, 'a', true), NOW)).toEqual([])
    expect(one.isReached('a')).toBe(true)
    expect(sends(one.say('on ours', NOW))).toEqual([[2, 'on ours']])
    for (const id of [1, 2]) expect(told(one.receive(id, 'hear, hear', NOW))).toHaveLength(1)
  })

  it('tells it what was said while it was away', () => {
    const one = room()
    one.open(plain(1, 'a'), NOW)
    one.say('heard', NOW)
    one.closed(1, NOW)
    one.say('missed', NOW)
    expect(sends(one.open(plain(2, 'a'), NOW))).toEqual([[2, 'missed']])
  })
})

describe('a room with a past', () => {
  it('goes on from it', () => {
    const past = { own: [{ at: NOW + 9, text: 'mine' }], seen: new Map([['a', { seen: 77, name: 'ann' }]]) }
    const one = new Room({ self: 'b', tag: TAG, past })
    expect(sends(one.open(kumiko(1, 'a'), NOW))).toEqual([[1, `{"type":"hello","room":"tag","last":${NOW + 9},"seen":77}`]])
    const effects = one.receive(1, hello({ name: 'ann', last: 80, seen: NOW }), NOW)
    expect(told(effects)).toEqual([{ type: 'joined', peer: 'a', name: 'ann', seen: 77, isBack: true }])
    expect(sends(effects)).toEqual([[1, said(NOW + 9, 'mine')]])
    expect(told(one.receive(1, said(78, 'missed'), NOW))).toHaveLength(1)
    one.sent(1)
    expect(sends(one.say('next', NOW))).toEqual([[1, said(NOW + 10, 'next')]])
  })
})
