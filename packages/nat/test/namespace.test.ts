import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const FOLDER = fileURLToPath(new URL('namespace', import.meta.url))

/** Namespaces take root, or a system that gives users their own; and the tools to lay a cable. */
const UNSHARE = [['--net'], ['--user', '--map-root-user', '--net']].find((flags) => {
  const probe = 'unshare --net true && ip link add a0 type veth peer name b0'
  return process.platform === 'linux' && spawnSync('unshare', [...flags, 'sh', '-c', probe]).status === 0
})

describe.skipIf(UNSHARE === undefined)('a Host behind a gateway, on a network of their own with the real ports and multicast', () => {
  it.each([
    ['any', 'upnp', /^UPnP 10\.77\.0\.1:\d+$/, 0],
    ['any', 'pmp', /^NAT-PMP 10\.77\.0\.1$/, 1],
    ['any', 'pcp', /^PCP 10\.77\.0\.1$/, 1],
    ['pmp:10.77.0.1', 'pmp', /^NAT-PMP 10\.77\.0\.1$/, 1],
  ])('%s finds one that speaks %s', async (how, speaks, name, shift) => {
    const run = [`${FOLDER}/run.sh`, process.execPath, FOLDER, how, speaks]
    const { stdout } = await promisify(execFile)('unshare', [...(UNSHARE ?? []), 'sh', ...run], { timeout: 120_000 })
    const [node, gateway] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(node).toMatchObject({ gateway: expect.stringMatching(name), mappings: { length: 3 } })
    expect(node.fault).toBeUndefined()
    expect(node.endpoint).toEqual({ host: '198.51.100.7', tcp: 30_303 + shift, udp: 30_303 + shift })
    expect(node.addresses).toContain(`/ip4/198.51.100.7/tcp/${4001 + shift}`)
    expect(gateway.most.map((key: string) => key.toLowerCase())).toEqual(['tcp 30303', 'tcp 4001', 'udp 30303'])
    expect(gateway.left).toBe(0)
  })
})
