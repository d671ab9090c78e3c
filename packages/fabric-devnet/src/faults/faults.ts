import type { Signer } from '@kumiko/fabric-protocol'
import type { Clock, Millis } from '@kumiko/interface'
import type { DevOrderer } from '../nodes/dev-orderer.ts'
import type { DevPeer } from '../nodes/dev-peer.ts'
import { conflictWith } from './conflicting-transaction.ts'

/** What may go wrong in a network, on purpose. Peers are named `peer0.org1.example.com`; where none is named, all are meant. */
export interface Faults {
  /**
   * The next transactions that read a key find it changed when they are validated: `MVCC_READ_CONFLICT`. The state stays as it is; another
   * transaction of the chaincode is in the same block, or the block before.
   * @param options.count - Default 1. @param options.chaincode - Only transactions of this one. Default: of any, but `_lifecycle`.
   */
  conflict(options?: { readonly count?: number; readonly chaincode?: string }): void
  /**
   * What chaincode answers next at one peer, for queries too, differs from what it answers elsewhere. Not that of chaincode that dials in.
   * @param count - Default 1.
   */
  mismatchEndorsement(peer: string, count?: number): void
  /** Each block comes so much later. @param delayMs - By the network's clock; 0 ends it. */
  delayBlocks(delayMs: Millis, peer?: string): void
  /** No block comes before the function that is returned is called. */
  holdBlocks(peer?: string): () => void
  /** The next blocks come twice. @param count - Default 1. */
  duplicateBlocks(count?: number, peer?: string): void
  /** Stops a peer: clients and other peers find nobody there. */
  kill(peer: string): Promise<void>
  /** Starts a peer again, with what it had. It takes the blocks that it has missed. */
  revive(peer: string): Promise<void>
  /** Ends all faults, but for peers that were killed. */
  clear(): void
}

/** What faults are made in. */
export interface FaultsOptions {
  readonly orderer: DevOrderer
  readonly peers: readonly DevPeer[]
  /** A peer of that name. @throws KumikoError `fabric-devnet/no-peer`. */
  readonly peer: (name: string) => DevPeer
  /** Signs transactions that conflict. */
  readonly signer: Signer
  readonly clock: Clock
}

interface ConflictsLeft {
  count: number
  chaincode: string | undefined
}

/** Makes faults in a network. */
export function networkFaults({ orderer, peers, peer, signer, clock }: FaultsOptions): Faults {
  const conflicts: ConflictsLeft = { count: 0, chaincode: undefined }
  const gatesOf = (name: string | undefined) => (name === undefined ? peers : [peer(name)]).map(({ gate }) => gate)
  const conflictOf = async (envelope: Uint8Array) => {
    const [first] = peers.filter(({ isAlive }) => isAlive)
    if (conflicts.count === 0 || first === undefined) return
    // Taken before anything is waited for: transactions may come at once.
    conflicts.count--
    const { ledger } = first.channel
    const conflict = await conflictWith(envelope, {
      signer,
      endorsers: onePerOrganization(peers),
      now: clock.now(),
      ...(conflicts.chaincode !== undefined && { chaincode: conflicts.chaincode }),
      valueOf: async (namespace, key) => (await ledger.state.getMany([{ namespace, key }]))[0]?.value,
    })
    if (conflict === undefined) conflicts.count++
    return conflict
  }
  orderer.surround = conflictOf
  return {
    conflict: ({ count = 1, chaincode } = {}) => {
      conflicts.count = count
      conflicts.chaincode = chaincode
    },
    mismatchEndorsement: (name, count = 1) => peer(name).answers.next(count),
    delayBlocks: (delayMs, name) => {
      for (const gate of gatesOf(name)) gate.delay(delayMs)
    },
    holdBlocks: (name) => {
      const gates = gatesOf(name)
      for (const gate of gates) gate.hold()
      return () => {
        for (const gate of gates) gate.release()
      }
    },
    duplicateBlocks: (count = 1, name) => {
      for (const gate of gatesOf(name)) gate.duplicate(count)
    },
    kill: (name) => peer(name).stop(),
    revive: (name) => peer(name).start(),
    clear: () => {
      conflicts.count = 0
      for (const { gate, answers } of peers) {
        gate.clear()
        answers.next(0)
      }
    },
  }
}

function onePerOrganization(peers: readonly DevPeer[]): readonly Signer[] {
  return [...new Map(peers.map(({ organization, msp }) => [organization.mspId, msp])).values()]
}
