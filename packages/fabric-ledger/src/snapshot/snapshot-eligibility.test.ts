import { expect, it } from 'vitest'
import { SnapshotEligibility } from './snapshot-eligibility.ts'

/** Definitions of chaincode `cc`, newest first: which collections they have, and whether this peer may have them. */
function eligibility(definitions: readonly (readonly [since: bigint, Readonly<Record<string, boolean>>])[]): SnapshotEligibility {
  const configs = {
    mostRecentBelow: async (chaincode: string, below: bigint) => {
      const found = chaincode === 'cc' ? definitions.findIndex(([since]) => since < below) : -1
      const [blockNumber] = definitions[found] ?? []
      return blockNumber === undefined ? undefined : { blockNumber, config: Uint8Array.of(found) }
    },
  }
  const wasEligible = async ([at]: Uint8Array, collection: string) => definitions[at ?? 0]?.[1][collection]
  // What the state defines now is asked where nothing is known of the past.
  const isEligible = async (_namespace: string, collection: string) => collection === 'implicit'
  return new SnapshotEligibility({ configs, policies: { isEligible, wasEligible } })
}

it('tells by the definition at the block, and by those after', async () => {
  const told = eligibility([
    [30n, { joined: true, left: false, between: false, never: false }],
    [20n, { joined: false, left: false, between: true, never: false }],
    [10n, { joined: false, left: true, between: false, never: false, removed: true }],
  ])
  const at = async (collection: string) => {
    const numbers = [5n, 10n, 11n, 20n, 21n, 30n, 31n]
    const eligible: bigint[] = []
    for (const number of numbers) if (await told.isEligible('cc', collection, number)) eligible.push(number)
    return eligible
  }
  expect(await at('joined')).toEqual([5n, 10n, 11n, 20n, 21n, 30n, 31n])
  expect(await at('left')).toEqual([5n, 10n, 11n, 20n])
  expect(await at('between')).toEqual([5n, 10n, 11n, 20n, 21n, 30n])
  expect(await at('removed')).toEqual([5n, 10n, 11n, 20n, 21n, 30n, 31n])
  expect(await at('never')).toEqual([])
})

it('asks the state where a collection has no history', async () => {
  const told = eligibility([[10n, { defined: true }]])
  expect(await told.isEligible('cc', 'implicit', 11n)).toBe(true)
  expect(await told.isEligible('other', 'defined', 11n)).toBe(false)
  expect(await told.isEligible('cc', 'defined', 11n)).toBe(true)
})
