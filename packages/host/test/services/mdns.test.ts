import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** Multicast must not leave the machine: the nodes run in a network of their own, with nothing but loopback in it. */
const IN_NAMESPACE = ['-rn', 'sh', '-c', 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"', 'sh']

function canHaveNamespace(): boolean {
  try {
    execFileSync('unshare', [...IN_NAMESPACE, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('SKIPPED: mdns needs a network namespace (unshare, ip), which is not to be had here')
    return false
  }
}

test.skipIf(!canHaveNamespace())(
  'two Hosts and a node of js-libp2p find each other by mdns, and their processes end by themselves',
  async () => {
    const script = fileURLToPath(new URL('./mdns-nodes.ts', import.meta.url))
    const command = [...IN_NAMESPACE, process.execPath, '--conditions=@kumiko/source', script]
    const { stdout } = await promisify(execFile)('unshare', command, { timeout: 120_000 })
    expect(JSON.parse(stdout)).toEqual({ found: [2, 2, 2], connected: true, left: [] })
  },
)
