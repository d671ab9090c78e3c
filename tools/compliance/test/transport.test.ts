import { readRlpxMultiaddr } from '@kumiko/identity'
import { rlpx } from '@kumiko/rlpx'
import transportSuite, { type TransportTestFixtures } from '@libp2p/interface-compliance-tests/transport'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Memory, type MultiaddrMatcher, TCP, WebSockets } from '@multiformats/multiaddr-matcher'
import { describe, expect, test, vi } from 'vitest'
import { offerMocha } from './mocha.ts'

// The suite makes its nodes with the package `libp2p`, and gets Hosts.
vi.mock('libp2p', () => import('@kumiko/host'))

type Libp2pInit = TransportTestFixtures['dialer']

interface Setup {
  readonly name: string
  /** Tests of the suite that apply. */
  readonly tests: number
  readonly only?: readonly string[]
  readonly matcher: MultiaddrMatcher
  readonly listen: string[]
  readonly parts: Pick<Libp2pInit, 'transports' | 'connectionEncrypters' | 'streamMuxers'>
}

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const secured = { connectionEncrypters: [noise()], streamMuxers: [yamux()] }
const mute = { name: 'mute', version: 1, length: 1, run: async (channel: { read(): unknown }) => void (await channel.read()) }
const isRlpx = (address: Multiaddr): boolean => readRlpxMultiaddr(address)?.isRlpx === true

const SETUPS: Setup[] = [
  { name: 'tcp', tests: 15, matcher: TCP, listen: [LOOPBACK, LOOPBACK], parts: { transports: [tcp()], ...secured } },
  {
    name: 'websockets',
    tests: 15,
    matcher: WebSockets,
    listen: [`${LOOPBACK}/ws`, `${LOOPBACK}/ws`],
    parts: { transports: [webSockets()], ...secured },
  },
  // With the suite's own encrypter and muxer.
  { name: 'memory', tests: 15, matcher: Memory, listen: ['/memory/a', '/memory/b'], parts: { transports: [memory()] } },
  {
    name: 'rlpx',
    tests: 6,
    only: [
      'emits listening',
      'emits close',
      'can close connections',
      'abort before dialing throws AbortError',
      'should not handle connection if upgradeInbound rejects',
      'should omit peer id in listening addresses',
    ],
    matcher: { matchers: [], matches: isRlpx, exactMatch: isRlpx },
    listen: [`${LOOPBACK}/rlpx`, `${LOOPBACK}/rlpx`],
    parts: { transports: [rlpx({ capabilities: [mute] })] },
  },
]

describe.each(SETUPS)('$name', ({ tests, only, matcher, listen, parts }) => {
  let hosts = 0
  const services = {
    count: (components: object): void => {
      if ('capabilities' in components) hosts++
    },
  }

  offerMocha(only === undefined ? {} : { only })
  transportSuite({
    setup: async () => ({
      dialer: { ...parts, services },
      listener: { ...parts, services, addresses: { listen } },
      dialMultiaddrMatcher: matcher,
      listenMultiaddrMatcher: matcher,
    }),
    teardown: async () => {},
  })

  test(`in each of the ${tests} tests, both nodes were Hosts`, () => {
    expect(hosts).toBe(2 * tests)
  })
})
