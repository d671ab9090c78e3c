import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Devnet, devnet } from '@kumiko/fabric-devnet'
import { Ledgers } from '@kumiko/fabric-ledger'
import { readCommitHash, readTransactionsFilter, toHex, writeBlock } from '@kumiko/fabric-protocol'
import { type Context, Contract } from 'fabric-contract-api'
import type { Case } from '../case.ts'
import { PeerChild } from '../fabric/peer-child.ts'

const ROUNDS = 20

/** Clients at the same time. They write few keys, so that some of their transactions come too late. */
const [CLIENTS, KEYS] = [4, 3]

const CHANNEL = 'mychannel'

/** A peer of ours over a real orderer. */
export const fabricPeerCases: readonly Case[] = [
  {
    name: 'fabric peer ↔ orderer: kill -9, 20 times under load, and it has the same commit hashes as a peer that was never killed',
    deadlineMs: 240_000,
    run: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'kumiko-peer-kill-'))
      try {
        await killUnderLoad(folder)
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 })
      }
      return undefined
    },
  },
]

class Counters extends Contract {
  async add(context: Context, key: string): Promise<string> {
    const before = Number(Buffer.from(await context.stub.getState(key)).toString() || '0')
    await context.stub.putState(key, Buffer.from(String(before + 1)))
    return String(before + 1)
  }
}

async function killUnderLoad(folder: string): Promise<void> {
  await using network = await devnet({ folder: join(folder, 'network'), contracts: { counters: Counters }, channelId: CHANNEL })
  const peer = new PeerChild(await environmentOf(network, folder))
  const genesis = await network.blocks.raw(0)
  ok(genesis)
  await writeFile(join(folder, 'genesis.block'), writeBlock(genesis))
  await peer.command('channel', 'join', '-b', join(folder, 'genesis.block'))
  const load = new Load(network)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await peer.start(60_000)
      // In the midst of what it does: catching up, or taking blocks as they come.
      await delay(Math.random() * 400)
      equal(await peer.kill('SIGKILL'), null)
      await load.progress(5)
    }
    await peer.start(60_000)
    await load.stop()
    await caughtUp(peer, Number(network.blocks.height))
    equal(await peer.kill('SIGTERM'), 0)
  } finally {
    await load.stop()
    await peer.kill('SIGKILL')
  }
  await compare(network, join(folder, 'data', 'ledgers'))
  // Does all again from block 0, and compares the state too.
  await peer.command('ledger', 'verify', '-c', CHANNEL)
}

/** The second peer is one of the first's organisation, with its identity and files of its own. */
async function environmentOf(network: Devnet, folder: string): Promise<Readonly<Record<string, string>>> {
  const [organization] = network.network.organizations
  ok(organization)
  const { domain, mspId } = organization.organization
  const home = join(network.folder, 'organizations', 'peerOrganizations', domain, 'peers', network.peers[0] ?? '')
  await writeFile(join(folder, 'core.yaml'), 'peer: { tls: { enabled: true } }\n')
  return {
    FABRIC_CFG_PATH: folder,
    FABRIC_LOGGING_SPEC: 'fatal',
    CORE_PEER_FILESYSTEMPATH: join(folder, 'data'),
    CORE_PEER_LOCALMSPID: mspId,
    CORE_PEER_MSPCONFIGPATH: join(home, 'msp'),
    CORE_PEER_TLS_CERT_FILE: join(home, 'tls', 'server.crt'),
    CORE_PEER_TLS_KEY_FILE: join(home, 'tls', 'server.key'),
    CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
    CORE_PEER_CHAINCODELISTENADDRESS: '127.0.0.1:0',
    CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
    CORE_METRICS_PROVIDER: 'prometheus',
    CORE_PEER_VALIDATORPOOLSIZE: '1',
  }
}

/** Clients that submit transactions through the network's own peer, which is never killed. */
class Load {
  readonly #working: Promise<void>
  #isStopped = false
  #count = 0

  constructor(network: Devnet) {
    this.#working = this.#work(network)
  }

  /** Waits until so many more are in blocks, valid or not. */
  async progress(count: number): Promise<void> {
    const [goal, deadline] = [this.#count + count, performance.now() + 30_000]
    while (this.#count < goal) {
      if (performance.now() > deadline) throw new Error(`only ${this.#count} transactions in 30 s, of ${goal}`)
      await delay(20)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#working
  }

  async #work(network: Devnet): Promise<void> {
    const contract = await network.contract('counters')
    const client = async (at: number): Promise<void> => {
      for (let turn = at; !this.#isStopped; turn++) {
        // Where it came too late, it is in a block all the same.
        await contract.submitTransaction('add', `key${turn % KEYS}`).catch(() => undefined)
        this.#count++
        await delay(30)
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, at) => client(at)))
  }
}

async function caughtUp(peer: PeerChild, height: number): Promise<void> {
  const deadline = performance.now() + 30_000
  for (;;) {
    const found = await peer.height(CHANNEL)
    if (found >= height) return
    if (performance.now() > deadline) throw new Error(`the peer is at height ${found} of ${height} after 30 s`)
    await delay(50)
  }
}

async function compare(network: Devnet, folder: string): Promise<void> {
  const isEligible = async () => true
  const policies = () => ({ blockToLive: async () => undefined, isEligible })
  const ledgers = await Ledgers.open({ folder, ledger: () => ({ policies }) })
  try {
    const ledger = await ledgers.get(CHANNEL)
    const height = Number(network.blocks.height)
    equal(Number(ledger.info.height), height)
    ok(height > ROUNDS, `only ${height} blocks`)
    for (let number = 0; number < height; number++) {
      const [mine, theirs] = await Promise.all([ledger.blocks.block(BigInt(number)), network.blocks.raw(number)])
      deepEqual(mine && outcomeOf(mine), theirs && outcomeOf(theirs), `block ${number}`)
    }
  } finally {
    await ledgers.close()
  }
}

function outcomeOf(block: Parameters<typeof readCommitHash>[0]) {
  const hash = readCommitHash(block)
  return { codes: readTransactionsFilter(block), commitHash: hash instanceof Uint8Array ? toHex(hash) : undefined }
}
