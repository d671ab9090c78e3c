import type { EndorsementPlan, PeerInfo } from '@kumiko/fabric-discovery'
import { type GatewayChannel, type GatewayOptions, gateway, type Orderer } from '@kumiko/fabric-gateway'
import { type RpcDetail, RpcError } from '@kumiko/fabric-grpc'
import {
  buildProposal,
  ChaincodeAction,
  type ChaincodeInterest,
  Endorsement,
  ErrorDetail,
  Proposal,
  ProposalResponse,
  ProposalResponsePayload,
  type SignedProposal,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { seeded, virtualClock } from '@kumiko/testkit'

/** A peer whose endorser is made by hand. */
export interface HandMadePeer {
  readonly mspId: string
  readonly address: string
  readonly height: number
  /** Default: endorses `result`. */
  readonly answer?: (signed: SignedProposal, signal: AbortSignal) => Promise<ProposalResponse>
  /** Default: the chaincode of the tests. */
  readonly chaincodes?: readonly string[]
}

/** A network that is made by hand: `msp1` at `localhost:7051` is the gateway's. */
export interface HandMadeNetwork extends Partial<Omit<GatewayOptions, 'plan' | 'peers' | 'orderers' | 'channel'>> {
  readonly peers?: readonly HandMadePeer[]
  /** Groups by addresses, and layouts. A fault's detail otherwise. */
  readonly plan?: ((interest: ChaincodeInterest) => PlanText | string) | PlanText
  readonly orderers?: readonly HandMadeOrderer[]
  readonly consensus?: string
  readonly channel?: Partial<GatewayChannel>
  /** In place of a channel without blocks. */
  readonly chain?: GatewayChannel
}

/** A plan by addresses of peers. */
export interface PlanText {
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly layouts?: readonly Readonly<Record<string, number>>[]
}

/** Answers broadcasts: with a status, or a failure. */
export type HandMadeOrderer = () => Promise<{ readonly status: number; readonly info: string }>

export const CHANNEL = 'test-channel'
export const CHAINCODE = 'test-chaincode'
export const OWN = 'localhost:7051'

/** The peers of Fabric's own tests. */
export const PEERS: readonly HandMadePeer[] = [
  { mspId: 'msp1', address: OWN, height: 5 },
  { mspId: 'msp1', address: 'peer1:8051', height: 5 },
  { mspId: 'msp2', address: 'peer2:9051', height: 6 },
  { mspId: 'msp2', address: 'peer3:10051', height: 5 },
  { mspId: 'msp3', address: 'peer4:11051', height: 7 },
]

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** An endorsement of `result`. */
export async function endorsed(address: string, result = 'result', interest?: ChaincodeInterest): Promise<ProposalResponse> {
  const action = ChaincodeAction.encode({ response: { status: 200, message: '', payload: bytes(result) } })
  return ProposalResponse.create({
    response: { status: 200, message: '', payload: bytes('not the result') },
    payload: ProposalResponsePayload.encode({ extension: action }),
    endorsement: Endorsement.create({ endorser: bytes(address) }),
    interest,
  })
}

/** What an endorser answers that did not endorse. */
export async function failed(status: number, message: string, payload = ''): Promise<ProposalResponse> {
  return ProposalResponse.create({ response: { status, message, payload: new Uint8Array() }, payload: bytes(payload) })
}

/** The network, and what happened in it. */
export function handMade({ peers = PEERS, plan, orderers = [], consensus = 'etcdraft', channel = {}, chain, ...options }: HandMadeNetwork) {
  const asked: string[] = []
  const closed: string[] = []
  const interests: ChaincodeInterest[] = []
  const broadcasts: number[] = []
  const clock = virtualClock()
  const endorserOf = (peer: HandMadePeer) => ({
    processProposal: async (signed: SignedProposal, { signal }: { readonly signal: AbortSignal }): Promise<ProposalResponse> => {
      asked.push(peer.address)
      return await (peer.answer ?? (() => endorsed(peer.address)))(signed, signal)
    },
  })
  const known: GatewayChannel = chain ?? {
    // Of a channel's configuration, all that a gateway looks at.
    bundle: {
      orderer: { consensus: { type: consensus } } as unknown as GatewayChannel['bundle']['orderer'],
      application: undefined,
      msps: { msp: () => undefined },
    },
    height: BigInt(peers.find(({ address }) => address === OWN)?.height ?? 0),
    ledger: { blocks: { block: async () => undefined, transaction: async () => undefined } },
    commits: () => never(),
    ...channel,
  }
  const made = gateway({
    mspId: 'msp1',
    endpoint: OWN,
    localEndorser: endorserOf(peers.find(({ address }) => address === OWN) ?? { mspId: 'msp1', address: OWN, height: 0 }),
    remote: ({ address }) => {
      const peer = peers.find((one) => one.address === address)
      return { ...endorserOf(peer ?? { mspId: '', address, height: 0 }), close: () => closed.push(address) }
    },
    peers: () => peers.map(infoOf),
    plan: async (_, interest) => {
      interests.push(interest)
      return planOf(peers, typeof plan === 'function' ? plan(interest) : plan)
    },
    orderers: () =>
      orderers.map(
        (answer, at): Orderer => ({
          endpoint: { address: `orderer${at + 1}:7050` },
          mspId: 'msp1',
          broadcast: async () => {
            broadcasts.push(at + 1)
            return await answer()
          },
        }),
      ),
    channel: (channelId) => (channelId === CHANNEL ? known : undefined),
    access: { check: () => undefined },
    clock,
    random: seeded().random,
    ...options,
  })
  return { gateway: made, asked, closed, interests, broadcasts, clock }
}

async function* never(): AsyncGenerator<never, void, undefined> {
  await new Promise(() => {})
}

function infoOf({ mspId, address, height, chaincodes = [CHAINCODE] }: HandMadePeer): PeerInfo {
  return {
    mspId,
    endpoint: address,
    identity: new Uint8Array(),
    ledgerHeight: BigInt(height),
    chaincodes: chaincodes.map((name) => ({ name, version: '1' })),
  }
}

function planOf(peers: readonly HandMadePeer[], plan: PlanText | string | undefined): EndorsementPlan | Fault {
  if (plan === undefined || typeof plan === 'string') return { fault: 'fabric-discovery/no-plan', detail: plan ?? 'no plan was made' }
  const peerAt = (address: string): HandMadePeer => peers.find((peer) => peer.address === address) ?? { mspId: '', address, height: 0 }
  const groups = Object.entries(plan.groups).map(([group, members]) => [group, members.map((at) => infoOf(peerAt(at)))] as const)
  const layouts = plan.layouts ?? [Object.fromEntries(groups.map(([group]) => [group, 1]))]
  return { chaincode: CHAINCODE, groups: new Map(groups), layouts: layouts.map((layout) => new Map(Object.entries(layout))) }
}

/** What a client sends. */
export function signedProposal(
  transient: Readonly<Record<string, string>> = {},
  channelId = CHANNEL,
  chaincode = CHAINCODE,
): SignedProposal {
  const transientMap = new Map(Object.entries(transient).map(([key, value]) => [key, bytes(value)]))
  const request = {
    channelId,
    chaincode,
    args: [bytes('f')],
    transientMap,
    nonce: new Uint8Array(24),
    timestamp: { seconds: 1n, nanos: 0 },
  }
  return { proposalBytes: Proposal.encode(buildProposal(request, bytes('client')).proposal), signature: new Uint8Array() }
}

/** How a call ended: an error with its details, each `address mspId: message`. */
export async function failureOf(work: Promise<unknown>) {
  try {
    await work
  } catch (error) {
    if (error instanceof RpcError) return { status: error.status, message: error.message, details: error.details.map(textOf) }
    throw error
  }
  throw new Error('it did not fail')
}

function textOf({ value }: RpcDetail): string {
  const detail = ErrorDetail.decode(value)
  return isFault(detail) ? detail.fault : `${detail.address} ${detail.mspId}: ${detail.message}`
}
