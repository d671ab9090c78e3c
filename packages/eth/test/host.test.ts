import { discv4 } from '@kumiko/discv4'
import { createHost } from '@kumiko/host'
import { createIdentity } from '@kumiko/identity'
import type { Capability, Host } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { seeded, virtualClock, virtualNetwork, virtualUdp } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { type Chain, syncedHead } from '../src/chain.ts'
import { ethEntry } from '../src/eth-entry.ts'
import { forkFilter } from '../src/fork-filter.ts'
import { ForkIds } from '../src/fork-ids.ts'
import { hoodi } from '../src/hoodi.ts'
import { mainnet } from '../src/mainnet.ts'

const PORT = 30303

test('nodes of two chains in one discv4 network dial their own kind only', async () => {
  const clock = virtualClock(Date.UTC(2026, 7, 1))
  const source = seeded(1)
  const network = virtualNetwork({ clock, seeded: source })
  const tried: [from: string, to: string][] = []
  const head = () => syncedHead(clock.now())

  const eth = (chain: Chain): Capability => ({
    name: 'eth',
    version: 69,
    length: 18,
    attributes: () => ethEntry(new ForkIds(chain).at(head())),
    accepts: forkFilter(chain, head),
    run: async (channel) => {
      for await (const _ of channel);
    },
  })

  /** A Host of a chain. @param bootnodes - None: it is the first. */
  async function start(ip: string, chain: Chain, bootnodes: readonly string[]): Promise<Host> {
    const at = network.host(ip)
    const tcp = {
      ...at,
      dial: (to: string, port: number, signal?: AbortSignal) => {
        tried.push([ip, to])
        return at.dial(to, port, signal)
      },
    }
    const host = await createHost({
      clock,
      random: source.random,
      identity: await createIdentity({ secretKey: source.bytes(32), clock }),
      addresses: { listen: [`/ip4/${ip}/tcp/${PORT}/rlpx`] },
      transports: [rlpx({ capabilities: [eth(chain)], network: tcp, randomBytes: source.bytes })],
      discovery: [discv4({ udp: virtualUdp(network, { ips: [ip], port: PORT }), bootnodes })],
    })
    await during(Promise.resolve(host.start()))
    return host
  }

  /** Moves the clock on until a promise is settled; at most 100 s. */
  async function during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    for (let step = 0; step < 1000 && !isSettled; step++) await clock.advance(100)
    return await promise
  }

  const first = await start('5.0.1.1', mainnet, [])
  const bootnodes = [first.identity.enode]
  const hosts = [first]
  for (const n of [2, 3, 4]) hosts.push(await start(`5.0.${n}.1`, mainnet, bootnodes))
  for (const n of [5, 6, 7]) hosts.push(await start(`5.0.${n}.1`, hoodi, bootnodes))
  await clock.advance(60_000)
  const found = hosts.map((host) => host.getPeers().map((peer) => hosts.findIndex(({ peerId }) => peerId.equals(peer))))
  const refused = hosts.map((host) => host.dialer.status().refused['not-accepted'] ?? 0)
  await during(Promise.all(hosts.map((host) => host.stop())))
  expect(found.map((peers) => peers.sort())).toEqual([
    [1, 2, 3],
    [0, 2, 3],
    [0, 1, 3],
    [0, 1, 2],
    [5, 6],
    [4, 6],
    [4, 5],
  ])
  const isMainnet = (ip: string): boolean => Number(ip.split('.')[2]) <= 4
  expect(tried.filter(([from, to]) => isMainnet(from) !== isMainnet(to))).toEqual([])
  expect(refused.every((count) => count > 0)).toBe(true)
  expect(clock.pending).toBe(0)
})
