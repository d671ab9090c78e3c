import { describe, expect, test } from 'vitest'
import { type Check, nameOf } from './black-box/check.ts'
import { CHECKS } from './black-box/checks.ts'
import { COMBINATIONS, NAMES } from './black-box/combinations.ts'
import { DIFFERENCES } from './black-box/differences.ts'
import { type CreateNode, Stage } from './black-box/stage.ts'

describe.each(NAMES)('%s', (name) => {
  test.each(CHECKS)('$name', async (check) => {
    const difference = DIFFERENCES.find((each) => each.check === check.name && each.on.includes(name))
    const expected = difference === undefined ? check.documented : difference.seen
    expect(await look(check, COMBINATIONS[name])).toEqual(expected)
  })
})

test('each check has a name of its own', () => {
  const names = CHECKS.map(({ name }) => name)
  expect(names).toEqual([...new Set(names)])
})

test('each difference is of a check, is one, and is told once a combination', () => {
  const told = DIFFERENCES.flatMap(({ check, on }) => on.map((combination) => `${combination}: ${check}`))
  expect(told).toEqual([...new Set(told)])
  for (const { check, seen, why } of DIFFERENCES) {
    const found = CHECKS.find(({ name }) => name === check)
    expect(found, check).toBeDefined()
    expect(seen, check).not.toEqual(found?.documented)
    expect(why, check).toMatch(/^\S.{19,199}$/)
  }
})

/** What a check sees; an error that it throws, by name, with what it says where the name says little. */
async function look(check: Check, create: CreateNode): Promise<unknown> {
  const stage = new Stage(create)
  try {
    return structuredClone(await check.look(stage))
  } catch (error) {
    const name = nameOf(error)
    return { thrown: name === 'Error' || name === 'TypeError' ? String(error) : name }
  } finally {
    await stage.close()
  }
}
