import { type Discovery, discovery, type PeerInfo } from '@kumiko/fabric-discovery'
import { LIFECYCLE_NAMESPACE } from '@kumiko/fabric-lifecycle'
import {
  type ChannelBundle,
  channelBundle,
  channelMsp,
  decodePem,
  nextChannelBundle,
  readConfigTransaction,
  serializeIdentity,
  type X509Msp,
} from '@kumiko/fabric-msp'
import {
  ConfigResult,
  encodeUtf8,
  GossipMessage,
  messageToJson,
  readBlock,
  readChaincodeAction,
  readEndorserTransaction,
  readEnvelope,
  readPayload,
  readReadWriteSet,
  readTransactionsFilter,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenJson, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { discoveredPeer } from '../src/peer-message.ts'

/** How the `discover` tool prints a peer. */
interface GoldenPeer {
  readonly MSPID: string
  readonly LedgerHeight: number
  readonly Endpoint: string
  readonly Identity: string
  readonly Chaincodes?: readonly string[]
}

const CHANNEL_ID = 'mychannel'

const goldenPeers = goldenJson('discovery/peers.json') as readonly GoldenPeer[]

const peers = goldenPeers.map(
  ({ MSPID, LedgerHeight, Endpoint, Identity, Chaincodes = [] }): PeerInfo => ({
    mspId: MSPID,
    endpoint: Endpoint,
    identity: serializeIdentity(MSPID, must(decodePem(encodeUtf8(Identity))).bytes),
    ledgerHeight: BigInt(LedgerHeight),
    chaincodes: Chaincodes.map((name) => ({ name, version: '1' })),
  }),
)

/** The channel after its last block: how it is configured, and what `_lifecycle` has written. */
function goldenChannel(): { readonly bundle: ChannelBundle<X509Msp>; readonly state: ReadonlyMap<string, Uint8Array> } {
  let bundle: ChannelBundle<X509Msp> | undefined
  const state = new Map<string, Uint8Array>()
  for (let number = 0; number < GOLDEN_HEIGHT; number++) {
    const block = must(readBlock(peerBlock(number)))
    const codes = readTransactionsFilter(block)
    for (const [index, item] of block.data.entries()) {
      if (number > 0 && codes?.[index] !== 0) continue
      const config = readConfigTransaction(item)
      if (!isFault(config)) {
        const next =
          bundle === undefined
            ? channelBundle(CHANNEL_ID, must(config.envelope.config), channelMsp)
            : nextChannelBundle(bundle, config.envelope, channelMsp)
        bundle = must(next)
        continue
      }
      const transaction = must(readEndorserTransaction(must(readPayload(must(readEnvelope(item)).payload))))
      const { results } = must(readChaincodeAction(transaction.responsePayload))
      for (const { namespace, keyValue } of must(readReadWriteSet(results)).namespaces)
        if (namespace === LIFECYCLE_NAMESPACE) for (const { key, value } of keyValue.writes) state.set(key, value)
    }
  }
  return { bundle: must(bundle), state }
}

function goldenDiscovery(): Discovery {
  const { bundle, state } = goldenChannel()
  const query = async () => ({
    getStates: async (_: string, keys: readonly string[]) => keys.map((key) => state.get(key)),
    close: async () => {},
  })
  const channel = (channelId: string) => (channelId === CHANNEL_ID ? { channelId, bundle, ledger: { query } } : undefined)
  return discovery({ localMsp: must(bundle.msps.msp('Org1MSP')), channel, peers: () => peers })
}

/** As the tool prints it. */
function shown(peer: PeerInfo): GoldenPeer {
  const { stateInfo, membershipInfo } = discoveredPeer(peer, { channelId: CHANNEL_ID })
  const properties = must(must(GossipMessage.decode(must(stateInfo).payload)).stateInfo?.properties)
  const member = must(must(GossipMessage.decode(must(membershipInfo).payload)).aliveMsg?.membership)
  const identity = goldenPeers.find(({ Endpoint }) => Endpoint === member.endpoint)?.Identity ?? ''
  return {
    MSPID: peer.mspId,
    LedgerHeight: Number(properties.ledgerHeight),
    Endpoint: member.endpoint,
    Identity: identity,
    Chaincodes: properties.chaincodes.map(({ name }) => name),
  }
}

describe('what the real peer told of the recorded channel', () => {
  it('is told here: its configuration', () => {
    const config = must(goldenDiscovery().config(CHANNEL_ID))
    expect(filled(messageToJson(ConfigResult, config))).toEqual(goldenJson('discovery/config.json'))
  })

  it('is told here: its peers', async () => {
    const found = must(await goldenDiscovery().peers(CHANNEL_ID))
    expect(found.map(shown)).toEqual(goldenPeers)
    const withChaincode = must(await goldenDiscovery().peers(CHANNEL_ID, { chaincodes: [call('golden')] }))
    expect(withChaincode).toEqual(peers)
  })

  it('is told here: who must endorse', async () => {
    const [golden] = goldenJson('discovery/endorsers.json') as readonly {
      readonly Chaincode: string
      readonly EndorsersByGroups: Readonly<Record<string, readonly GoldenPeer[]>>
      readonly Layouts: readonly { readonly quantities_by_group: Readonly<Record<string, number>> }[]
    }[]
    const plan = must(await goldenDiscovery().endorsementPlan(CHANNEL_ID, { chaincodes: [call('golden')] }))
    const groups = [...plan.groups].map(([group, each]) => [group, each.map((peer) => ({ ...shown(peer), Chaincodes: undefined }))])
    expect(plan.chaincode).toBe(golden?.Chaincode)
    expect(Object.fromEntries(groups)).toEqual(golden?.EndorsersByGroups)
    expect(plan.layouts.map((layout) => ({ quantities_by_group: Object.fromEntries(layout) }))).toEqual(golden?.Layouts)
  })

  it('is told of its collections and of `_lifecycle` too', async () => {
    const plan = async (name: string, ...collectionNames: readonly string[]) =>
      must(await goldenDiscovery().endorsementPlan(CHANNEL_ID, { chaincodes: [{ ...call(name), collectionNames }] })).layouts
    const one = [new Map([['G0', 1]])]
    expect(await plan('golden', 'secret')).toEqual(one)
    expect(await plan('golden', '_implicit_org_Org1MSP')).toEqual(one)
    expect(await plan('_lifecycle')).toEqual(one)
  })
})

function call(name: string) {
  return { name, collectionNames: [], noPrivateReads: false, noPublicWrites: false, keyPolicies: [], disregardNamespacePolicy: false }
}

/** The tool prints no field that is empty. */
function filled(json: unknown): unknown {
  const isFilled = (value: unknown) => value !== null && !(Array.isArray(value) && value.length === 0)
  return JSON.parse(JSON.stringify(json), (_, value: unknown) => (isFilled(value) ? value : undefined))
}
