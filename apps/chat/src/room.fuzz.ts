import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Room, type RoomEffect, type SessionId } from './room.ts'

/** What happens next: to whom, and which of the streams. */
type Step = { readonly do: 'say' | 'open' | 'deliver' | 'cut' | 'drain' | 'pass'; readonly end: 0 | 1; readonly which: number }

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('say', 'say', 'open', 'deliver', 'deliver', 'deliver', 'cut', 'drain', 'drain', 'pass'),
  end: fc.constantFrom(0, 1),
  which: fc.nat({ max: 5 }),
})

/** A stream between the two rooms: lines on their way to each end. */
interface Wire {
  readonly id: SessionId
  readonly onWay: [string[], string[]]
  /** Ends that have been told that it is over. */
  readonly isOver: [boolean, boolean]
  /** Ends that will write no more: it is over when what they wrote is read. */
  readonly isClosing: [boolean, boolean]
  readonly undrained: [boolean, boolean]
}

class World {
  readonly rooms = [new Room({ self: 'a', tag: 't' }), new Room({ self: 'b', tag: 't' })] as const
  readonly heard: [string[], string[]] = [[], []]
  readonly said: [string[], string[]] = [[], []]
  wires: Wire[] = []
  now = 1_000_000
  #ids = 0

  run({ do: what, end, which }: Step): void {
    const wire = this.wires[which % Math.max(1, this.wires.length)]
    if (what === 'say') this.say(end)
    else if (what === 'open') this.open(end)
    else if (what === 'pass') this.pass()
    else if (wire === undefined) return
    else if (what === 'deliver') this.deliver(wire, end)
    else if (what === 'cut') this.cut(wire)
    else this.drain(wire, end)
  }

  say(end: 0 | 1): void {
    const text = `${end}:${this.said[end].length}`
    this.said[end].push(text)
    this.perform(end, this.rooms[end].say(text, this.now))
  }

  open(end: 0 | 1): void {
    const wire: Wire = { id: ++this.#ids, onWay: [[], []], isOver: [false, false], isClosing: [false, false], undrained: [false, false] }
    this.wires.push(wire)
    for (const side of [0, 1] as const) {
      const opened = { id: wire.id, peer: 'ab'[1 - side] ?? '', kind: 'kumiko', isOurs: side === end } as const
      this.perform(side, this.rooms[side].open(opened, this.now))
    }
  }

  pass(): void {
    this.now += 2000
    for (const end of [0, 1] as const) this.perform(end, this.rooms[end].expire(this.now))
  }

  deliver(wire: Wire, end: 0 | 1): void {
    const line = wire.onWay[end].shift()
    if (line !== undefined && !wire.isOver[end]) this.perform(end, this.rooms[end].receive(wire.id, line, this.now))
    if (line === undefined && wire.isClosing[1 - end] && !wire.isOver[end]) this.over(wire, end)
  }

  /** What is on its way is lost. */
  cut(wire: Wire): void {
    for (const end of [0, 1] as const) {
      wire.onWay[end].length = 0
      this.over(wire, end)
    }
  }

  drain(wire: Wire, end: 0 | 1): void {
    if (!wire.undrained[end]) return
    wire.undrained[end] = false
    this.perform(end, this.rooms[end].sent(wire.id))
  }

  over(wire: Wire, end: 0 | 1): void {
    if (wire.isOver[end]) return
    wire.isOver[end] = true
    wire.isClosing[end] = true
    if (wire.isOver[1 - end]) this.wires = this.wires.filter((other) => other !== wire)
    this.perform(end, this.rooms[end].closed(wire.id, this.now))
  }

  perform(end: 0 | 1, effects: readonly RoomEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'tell') {
        if (effect.event.type === 'line' && effect.event.peer !== 'ab'[end]) this.heard[end].push(effect.event.text)
        continue
      }
      const wire = this.wires.find(({ id }) => id === effect.session)
      if (wire === undefined) continue
      if (effect.do === 'send') {
        wire.undrained[end] = true
        if (!wire.isClosing[end]) wire.onWay[1 - end]?.push(...effect.lines)
      } else if (effect.fault !== undefined) this.cut(wire)
      else wire.isClosing[end] = true
    }
  }

  /** All that is under way arrives. Each turn delivers or drains something. */
  settle(): void {
    for (let isBusy = true; isBusy; ) {
      isBusy = false
      for (const wire of [...this.wires]) {
        for (const end of [0, 1] as const) {
          const before = wire.onWay[end].length
          isBusy ||= before > 0 || wire.undrained[end] || (wire.isClosing[1 - end] === true && !wire.isOver[end])
          this.deliver(wire, end)
          this.drain(wire, end)
        }
      }
    }
  }
}

test('whatever is cut, opened twice or slow: who is back has all lines, in order, each once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const world = new World()
      world.open(0)
      world.settle()
      for (const each of steps) world.run(each)
      for (const wire of [...world.wires]) world.cut(wire)
      world.open(1)
      world.settle()
      for (const end of [0, 1] as const) expect(world.heard[end]).toEqual(world.said[end === 0 ? 1 : 0])
    }),
    { numRuns: 1000 },
  )
})
