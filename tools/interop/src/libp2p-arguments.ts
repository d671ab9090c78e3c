import { parseArgs } from 'node:util'
import { flags } from './child-lines.ts'

/** What a libp2p peer of the tests is made of; the same for all implementations, as far as they go. */
export interface Libp2pPeerOptions {
  /** Default one TCP address; port 0 takes a free one. */
  readonly listen?: readonly string[]
  /** Best first. Default noise; js-libp2p 2.10 and our Host have no choice where this says nothing else. */
  readonly security?: readonly ('noise' | 'tls')[]
  /** Serves a DHT: `/kumiko` for `/kumiko/kad/1.0.0`, `/ipfs` for amino's. Default none. */
  readonly dht?: string
  /** Serves gossipsub. Default false. */
  readonly pubsub?: boolean
  /** Serves circuit relay v2. Default: not. */
  readonly relay?: RelayLimits
}

/** What a relay allows. Unset: go-libp2p's and js-libp2p's numbers, and relayed connections that are not limited. */
export interface RelayLimits {
  /** Of a relayed connection, each way. */
  readonly bytes?: number
  /** Of a relayed connection; go-libp2p counts whole seconds. */
  readonly ms?: number
  readonly reservations?: number
}

const LISTEN = '/ip4/127.0.0.1/tcp/0'

/** As flags of a child. */
export function libp2pArguments({ listen = [LISTEN], security = ['noise'], dht, pubsub, relay }: Libp2pPeerOptions): string[] {
  const args = ['-listen', listen.join(','), '-security', security.join(',')]
  if (dht !== undefined) args.push('-dht', dht)
  if (pubsub) args.push('-pubsub')
  if (relay !== undefined) args.push('-relay')
  for (const [name, value] of Object.entries(relay ?? {})) args.push(`-relay-${name}`, String(value))
  return args
}

/** Reads what {@link libp2pArguments} wrote, in the child. */
export function readLibp2pArguments(): Libp2pPeerOptions {
  const { values } = parseArgs({
    args: flags(),
    options: {
      listen: { type: 'string', default: LISTEN },
      security: { type: 'string', default: 'noise' },
      dht: { type: 'string' },
      pubsub: { type: 'boolean', default: false },
      relay: { type: 'boolean', default: false },
      'relay-bytes': { type: 'string' },
      'relay-ms': { type: 'string' },
      'relay-reservations': { type: 'string' },
    },
  })
  const limits = { bytes: values['relay-bytes'], ms: values['relay-ms'], reservations: values['relay-reservations'] }
  return {
    listen: values.listen.split(','),
    security: values.security.split(',').map((name) => (name === 'tls' ? 'tls' : 'noise')),
    ...(values.dht === undefined ? {} : { dht: values.dht }),
    pubsub: values.pubsub,
    ...(values.relay ? { relay: numbers(limits) } : {}),
  }
}

function numbers(texts: Readonly<Record<string, string | undefined>>): RelayLimits {
  return Object.fromEntries(Object.entries(texts).flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)]])))
}
