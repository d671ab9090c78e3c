import { createIdentity, generateSecretKey } from '@kumiko/identity'
import type { Capability } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { Capabilities } from './capabilities.ts'

const capability = (name: string, version: number, entries?: Record<string, Uint8Array>): Capability => ({
  name,
  version,
  length: 1,
  ...(entries === undefined ? {} : { attributes: () => entries }),
})

async function registry(): Promise<{ capabilities: Capabilities; entry: (key: string) => Uint8Array | undefined }> {
  const { record } = await createIdentity({ secretKey: generateSecretKey() })
  return { capabilities: new Capabilities(record), entry: (key) => record.node.entry(key) }
}

test('lists by name and version, knows protocol ids, and tells of changes', async () => {
  const { capabilities } = await registry()
  let changes = 0
  const cancel = capabilities.subscribe(() => changes++)
  capabilities.add(capability('snap', 1))
  capabilities.add(capability('eth', 69))
  const remove = capabilities.add(capability('eth', 68))
  expect(capabilities.list().map(({ name, version }) => `${name}/${version}`)).toEqual(['eth/68', 'eth/69', 'snap/1'])
  expect([capabilities.has('/eth/68'), capabilities.has('/eth/67')]).toEqual([true, false])
  expect(() => capabilities.add(capability('eth', 68))).toThrow(expect.objectContaining({ code: 'host/duplicate-capability' }))
  remove()
  remove()
  expect(capabilities.has('/eth/68')).toBe(false)
  expect(changes).toBe(4)
  cancel()
  capabilities.add(capability('eth', 68))
  expect(changes).toBe(4)
})

test('the record carries the attributes of what is offered, from the start on', async () => {
  const { capabilities, entry } = await registry()
  const remove = capabilities.add(capability('eth', 69, { eth: Uint8Array.of(0xc0) }))
  expect(entry('eth')).toBeUndefined()
  capabilities.start()
  expect(entry('eth')).toEqual(Uint8Array.of(0xc0))
  capabilities.add(capability('snap', 1, { snap: Uint8Array.of(0xc1, 1) }))
  remove()
  expect([entry('eth'), entry('snap')]).toEqual([undefined, Uint8Array.of(0xc1, 1)])
})

test('one whose attributes throw, or that Hello cannot carry, is not there afterwards', async () => {
  const { capabilities } = await registry()
  capabilities.start()
  const throwing = {
    ...capability('bad', 1),
    attributes: () => {
      throw new Error('no attributes')
    },
  }
  expect(() => capabilities.add(throwing)).toThrow('no attributes')
  for (const wrong of [{ name: 'elevenchars' }, { name: '' }, { name: 'a\n' }, { version: -1 }, { version: 1.5 }, { length: Number.NaN }]) {
    expect(() => capabilities.add({ ...capability('eth', 1), ...wrong })).toThrow(expect.objectContaining({ code: 'host/bad-capability' }))
  }
  expect(capabilities.list()).toEqual([])
})

test('attributes that change come with a refresh', async () => {
  const { capabilities, entry } = await registry()
  const entries = { eth: Uint8Array.of(1) }
  capabilities.add(capability('eth', 69, entries))
  capabilities.start()
  entries.eth = Uint8Array.of(2)
  capabilities.refresh()
  expect(entry('eth')).toEqual(Uint8Array.of(2))
})

test('a node is accepted by one that does, by one that has no opinion, and where there is none', async () => {
  const { capabilities } = await registry()
  const { record } = await createIdentity({ secretKey: generateSecretKey() })
  const accepts = (): boolean => capabilities.accepts(record.node)
  expect(accepts()).toBe(true)
  const refuse = { ...capability('eth', 68), accepts: () => false }
  const broken = {
    ...capability('eth', 67),
    accepts: () => {
      throw new Error('no idea')
    },
  }
  const removeRefusing = capabilities.add(refuse)
  capabilities.add(broken)
  expect(accepts()).toBe(false)
  const remove = capabilities.add({ ...capability('eth', 69), accepts: ({ nodeId }) => nodeId === record.node.nodeId })
  expect(accepts()).toBe(true)
  remove()
  removeRefusing()
  expect(accepts()).toBe(false)
  capabilities.add(capability('chat', 1))
  expect(accepts()).toBe(true)
})
