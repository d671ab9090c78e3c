import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { PROGRAM, startCommand } from './processes.ts'

/** A network of its own, from which nothing gets out, and processes that end with the first. */
const ALONE = ['--map-root-user', '--net', '--pid', '--fork', '--kill-child']

/** A loopback that takes multicast, and an address of a private network. */
const NETWORK = 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && ip addr add 10.77.0.1/32 dev lo'

const isPossible = spawnSync('unshare', [...ALONE, 'sh', '-c', NETWORK]).status === 0

test.skipIf(!isPossible)('two on one network find each other without a bootstrap', async () => {
  const chat = [process.execPath, ...PROGRAM, '-r', 'tea', '--json', '--listen', '/ip4/10.77.0.1/tcp/0', '--name']
  const both = `${NETWORK} && { "$@" ann & "$@" bob & wait; }`
  await using chats = startCommand('unshare', [...ALONE, 'sh', '-c', both, 'sh', ...chat])
  for (const name of ['ann', 'bob']) expect(await chats.event('joined', { name })).toMatchObject({ isBack: false })
  expect(chats.events.filter(({ event }) => event === 'notice')).toEqual([])
})
