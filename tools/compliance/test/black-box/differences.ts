import type { CombinationName } from './combinations.ts'

/** Where a combination is seen to do other than js-libp2p's documentation says. */
export interface Difference {
  /** The check's name. */
  readonly check: string
  readonly on: readonly CombinationName[]
  readonly seen: unknown
  /** One line. */
  readonly why: string
}

/** js-libp2p's own node, whoever's parts. */
const THEIR_NODE = ['libp2p × theirs', 'libp2p × ours'] as const
/** Our Host. */
const HOST = ['Host × theirs', 'Host × ours'] as const
/** Wherever our dialer and connection manager work. */
const OUR_PARTS = ['libp2p × ours', ...HOST] as const
const VANILLA = ['libp2p × theirs'] as const
const VANILLA_WITH_OURS = ['libp2p × ours'] as const

/** Where ours is meant to be better: js-libp2p does not do what is documented, or asked for by its users. */
const BETTER: readonly Difference[] = [
  {
    check: 'lifecycle: a stopped node dials nobody',
    on: VANILLA,
    seen: 'TimeoutError',
    why: 'js-libp2p tells of a timeout that never was; ours says that the node is not started',
  },
  {
    check: 'addresses: noAnnounce keeps an address to ourselves',
    on: THEIR_NODE,
    seen: 2,
    why: 'js-libp2p 3 documents noAnnounce and does not read it; our Host does',
  },
  {
    check: 'dial: one stalled address costs less than its timeout',
    on: VANILLA,
    seen: 'after its timeout',
    why: 'js-libp2p dials addresses one after another; ours races them, 250 ms apart (RFC 8305)',
  },
  {
    check: 'dial: an address in memory where another peer is',
    on: VANILLA,
    seen: ['no error', 1],
    why: 'over memory js-libp2p connects to whoever answers; ours holds the peer to the id that was dialed',
  },
  {
    check: 'dial queue: has each dial until it is over',
    on: VANILLA,
    seen: { before: 0, during: 1, status: 'active', peer: 'b', addresses: 0, after: 0 },
    why: 'js-libp2p clears the addresses of a dial as it begins; ours shows them until it is over',
  },
  {
    check: 'maxConnections: is never passed, whoever dials and whatever is in use',
    on: VANILLA,
    seen: 8,
    why: 'js-libp2p prunes afterwards, and only what is not in use; ours makes room before, or refuses',
  },
  {
    check: 'middleware: may be given with the handler',
    on: THEIR_NODE,
    seen: ['handler'],
    why: 'js-libp2p documents middleware among a handler’s options and does not run it; our Host does',
  },
  {
    check: 'monitor: a late answer does not end a connection that is well',
    on: THEIR_NODE,
    seen: 0,
    why: 'js-libp2p ends a connection at the first late ping; our Host never ends one that is well',
  },
]

/** Where ours is meant to be other. */
const OTHER: readonly Difference[] = [
  {
    check: 'keys: each node has a fresh Ed25519 key by default',
    on: OUR_PARTS,
    seen: ['secp256k1', 'secp256k1', 'different'],
    why: 'one secp256k1 key is the identity on all networks; without a key given, a Host makes such a one',
  },
  {
    check: 'lifecycle: what a service throws at its start is thrown, and the node is stopped',
    on: HOST,
    seen: ['host/start-failed', 'stopped'],
    why: 'a Host says which part failed and in which phase; what that part threw is the cause',
  },
  {
    check: 'listening: an address that no transport takes ends the start',
    on: HOST,
    seen: ['host/start-failed', 'stopped'],
    why: 'a Host says which part failed to start; the cause names the address, and is js-libp2p’s by name',
  },
  {
    check: 'listening: one that is in use ends the start',
    on: HOST,
    seen: 'host/start-failed',
    why: 'a Host says which part failed to start; the cause names the address, and is js-libp2p’s by name',
  },
  {
    check: 'components: one that is not there is an error, not undefined',
    on: HOST,
    seen: 'no error',
    why: 'a part may do without a component: what a Host has not is undefined, as for any object',
  },
  {
    check: 'dial: concurrent dials of one peer by id and by address are one',
    on: OUR_PARTS,
    seen: 2,
    why: 'a dial by peer id may end on RLPx, so it does not stand for one of a libp2p address',
  },
  {
    check: 'dial: ourselves, by an address that does not say so',
    on: OUR_PARTS,
    seen: ['NoValidAddressesError', 0],
    why: 'our own addresses are left out before anything is dialed, so nothing finds out that it is us',
  },
  {
    check: 'dial: no addresses at all',
    on: OUR_PARTS,
    seen: 'InvalidParametersError',
    why: 'an empty list is our caller’s mistake; that no address is known is another matter',
  },
  {
    check: 'dial: what is no target',
    on: HOST,
    seen: 'InvalidParametersError',
    why: 'a Host dials texts, too; for one that is none of enode, ENR and multiaddr it says what it wants',
  },
  ...['dial: an address where another peer is', 'dial: an address in memory where another peer is'].map((check) => ({
    check,
    on: OUR_PARTS,
    seen: ['DialError', 0],
    why: 'a dial that fails is one error that tells what was tried; why each address failed is in its cause',
  })),
  ...['dial: an address where nobody is', 'dial: a stalled address ends after addressDialTimeout'].map((check) => ({
    check,
    on: OUR_PARTS,
    seen: 'DialError',
    why: 'a dial that fails is one error that tells what was tried; why each address failed is in its cause',
  })),
  {
    check: 'dial: addresses that all fail, each for its own reason',
    on: OUR_PARTS,
    seen: ['DialError', 0],
    why: 'a dial that fails is one error however many addresses it had; the AggregateError is its cause',
  },
  ...(['denyOutboundConnection', 'denyOutboundEncryptedConnection', 'denyOutboundUpgradedConnection'] as const).map((hook, index) => ({
    check: `gater: ${hook} ends a dial`,
    on: OUR_PARTS,
    seen: {
      error: 'DialError',
      asked: [
        'denyDialPeer',
        'denyDialMultiaddr',
        'denyOutboundConnection',
        'denyOutboundEncryptedConnection',
        'denyOutboundUpgradedConnection',
      ].slice(0, index + 3),
      connections: 0,
      events: [],
    },
    why: 'a dial that fails is one error that tells what was tried; why each address failed is in its cause',
  })),
  {
    check: 'allow: lets an address connect when the node is full',
    on: OUR_PARTS,
    seen: 1,
    why: 'limits hold for all; who is to pass them is named by its key, as trusted, not by its address',
  },
  {
    check: 'inboundConnectionThreshold: bounds how many one address opens in a second',
    on: OUR_PARTS,
    seen: { most: 2, refused: false },
    why: 'loopback and private networks are not throttled unless isLanThrottled says so',
  },
]

/** What our parts cannot do in js-libp2p's node, since it makes transports before services and hands them its own manager. */
const THEIR_LIMITS: readonly Difference[] = [
  ...[
    { check: 'relay: a node is reached through it, by a limited connection', seen: { thrown: 'UnsupportedListenAddressesError' } },
    {
      check: 'gater: denyInboundRelayReservation keeps a relay from serving',
      seen: { asked: false, addresses: 0 },
    },
    { check: 'gater: denyOutboundRelayedConnection keeps a relay from passing on', seen: { thrown: 'UnsupportedListenAddressesError' } },
    { check: 'gater: denyInboundRelayedConnection keeps a node from being reached', seen: { thrown: 'UnsupportedListenAddressesError' } },
  ].map((each) => ({
    ...each,
    on: VANILLA_WITH_OURS,
    why: 'js-libp2p makes transports before services: the relay transport keeps a connection manager that never starts',
  })),
]

export const DIFFERENCES: readonly Difference[] = [...BETTER, ...OTHER, ...THEIR_LIMITS]
