import assert from 'node:assert/strict'
import { multiaddr } from '@multiformats/multiaddr'
import type { ConnectionFilter, FilterList, FilterPoint, Verdict } from '../filter.ts'
import { type Subject, type SubjectFactory, type TestRunner, testWith } from './runner.ts'

/** A rule, with points to ask it at. */
export interface ConnectionFilterSubject extends Subject {
  readonly filter: ConnectionFilter
  /** What it must say at these points. */
  readonly expected: readonly { readonly at: FilterPoint; readonly verdict: Verdict }[]
}

/** An empty list. */
export interface FilterListSubject extends Subject {
  readonly filters: FilterList
}

/** What holds for every rule. */
export function connectionFilterContract(runner: TestRunner, factory: SubjectFactory<ConnectionFilterSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a ConnectionFilter', () => {
    test('says what it must, and the same when asked again', ({ filter, expected }) => {
      assert.ok(expected.length > 0)
      for (const { at, verdict } of expected) assert.deepEqual([filter(at), filter(at)], [verdict, verdict])
    })

    test('has a verdict, or no opinion, at every stage, however little is known', ({ filter }) => {
      for (const at of barePoints()) assert.ok(['accept', 'deny', undefined].includes(filter(at)), JSON.stringify(at.stage))
    })

    test('does not write to what it is asked about', ({ filter, expected }) => {
      for (const { at } of expected) filter(Object.freeze({ ...at }))
    })
  })
}

/** What holds for every {@link FilterList}. */
export function filterListContract(runner: TestRunner, factory: SubjectFactory<FilterListSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a FilterList', () => {
    test('accepts by default, and denies where that is the default', ({ filters }) => {
      assert.equal(filters.decide(POINT), 'accept')
      filters.add(() => undefined)
      filters.defaultVerdict = 'deny'
      assert.equal(filters.decide(POINT), 'deny')
    })

    test('asks in order until one has an opinion', ({ filters }) => {
      const asked: string[] = []
      const rule = (name: string, verdict: Verdict) => (at: FilterPoint) => {
        assert.equal(at, POINT)
        asked.push(name)
        return verdict
      }
      filters.add(rule('first', undefined))
      filters.add(rule('second', 'accept'))
      filters.add(rule('third', 'deny'))
      assert.equal(filters.decide(POINT), 'accept')
      assert.deepEqual(asked, ['first', 'second'])
    })

    test('takes a throw for `deny`', ({ filters }) => {
      filters.add(() => {
        throw new Error('a broken rule')
      })
      filters.add(() => 'accept')
      assert.equal(filters.decide(POINT), 'deny')
    })

    test('may be edited between two decisions', ({ filters }) => {
      const deny: ConnectionFilter = () => 'deny'
      const accept: ConnectionFilter = () => 'accept'
      const cancel = filters.add(deny)
      filters.add(accept)
      assert.equal(filters.decide(POINT), 'deny')
      cancel()
      cancel()
      assert.equal(filters.decide(POINT), 'accept')
      assert.deepEqual(filters.list(), [accept])
      assert.deepEqual([filters.remove(accept), filters.remove(accept), filters.remove(deny)], [true, false, false])
    })

    test('asks every rule, also when one removes itself while it is asked', ({ filters }) => {
      const cancel = filters.add(() => {
        cancel()
        return undefined
      })
      filters.add(() => 'deny')
      assert.equal(filters.decide(POINT), 'deny')
      assert.equal(filters.list().length, 1)
    })

    test('shows its rules as a copy', ({ filters }) => {
      filters.add(() => 'deny')
      filters.list().pop()
      assert.equal(filters.list().length, 1)
      assert.equal(filters.decide(POINT), 'deny')
    })
  })
}

const POINT: FilterPoint = {
  stage: 'accept',
  direction: 'inbound',
  stack: 'rlpx',
  address: multiaddr('/ip4/10.1.2.3/tcp/30303'),
  ip: '10.1.2.3',
}

function barePoints(): FilterPoint[] {
  return (['dial', 'accept', 'encrypted', 'upgraded'] as const).flatMap((stage) =>
    (['inbound', 'outbound'] as const).flatMap((direction) =>
      (['rlpx', 'libp2p'] as const).map((stack) => ({ stage, direction, stack, address: multiaddr('/dns4/node.example/tcp/30303') })),
    ),
  )
}
