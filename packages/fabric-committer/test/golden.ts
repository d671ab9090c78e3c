import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ledger, type OpenStateDatabase, type StateKey, type TransactionPrivateData, type VersionedValue } from '@kumiko/fabric-ledger'
import { decodePem, serializeIdentity } from '@kumiko/fabric-msp'
import { type Block, readBlock, readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenFile, goldenJson, ordererBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import type { BlockSource } from '../src/block-source.ts'
import { collectionPolicies } from '../src/collection-policies.ts'

export const CHANNEL_ID = 'mychannel'

/** A block as the orderer delivered it. */
export function goldenBlock(number: number): Block {
  return must(readBlock(ordererBlock(number)))
}

/** The private write sets of a block, as the real peer had them. */
export function goldenPrivateData(number: bigint): readonly TransactionPrivateData[] {
  const { blocks } = goldenJson('private-data.json') as { readonly blocks: Readonly<Record<string, Readonly<Record<string, string>>>> }
  return Object.entries(blocks[String(number)] ?? {}).map(([transaction, set]) => ({
    transactionNumber: Number(transaction),
    set: must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(set, 'base64')))),
  }))
}

/** All blocks, or those below a number. */
export function goldenSource(height: number = GOLDEN_HEIGHT): BlockSource {
  return {
    blocks: async function* (from) {
      for (let number = from; number < height; number++)
        yield { block: goldenBlock(Number(number)), privateData: goldenPrivateData(number) }
    },
  }
}

/** The identity of the real peer. */
export function goldenPeer(): Uint8Array {
  const pem = goldenFile(
    'crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp/signcerts/peer0.org1.example.com-cert.pem',
  )
  return serializeIdentity('Org1MSP', must(decodePem(pem)).bytes)
}

/** A ledger in a folder of its own, which goes with it. */
export async function temporaryLedger(
  openState: OpenStateDatabase,
  genesis: Block = goldenBlock(0),
  channelId: string = CHANNEL_ID,
): Promise<Ledger & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-committer-')).then((made) => join(made, 'ledger'))
  const ledger = await Ledger.create({
    folder,
    channelId,
    openState,
    genesis,
    policies: collectionPolicies({ channelId, self: goldenPeer() }),
  })
  return Object.assign(ledger, {
    [Symbol.asyncDispose]: async () => {
      await ledger.close()
      await rm(dirname(folder), { recursive: true })
    },
  })
}

/** Values by namespace and key. */
export type ShownState = Record<string, Record<string, { readonly value: string; readonly version: string; readonly metadata?: string }>>

/** A state as `expected.json` writes it: what is in it by namespace. */
export async function shownState(
  entries: AsyncIterable<StateKey & VersionedValue>,
  isShown: (namespace: string) => boolean,
): Promise<ShownState> {
  const shown: ShownState = {}
  for await (const { namespace, key, value, metadata, version } of entries) {
    if (!isShown(namespace)) continue
    const entry = { value: base64(value), version: `${version.blockNumber}:${version.transactionNumber}` }
    shown[namespace] = Object.assign(shown[namespace] ?? {}, {
      [key]: metadata.length === 0 ? entry : { ...entry, metadata: base64(metadata) },
    })
  }
  return shown
}

interface ExpectedEntry {
  readonly key?: string
  readonly keyHex: string
  readonly value: string
  readonly metadata?: string
  readonly version: { readonly block: number; readonly tx: number }
}

/** The same of what the real peer had at the end. */
export function expectedState(part: 'state' | 'privateStateHashes'): ShownState {
  const expected = goldenJson('expected.json') as Readonly<Record<typeof part, Readonly<Record<string, readonly ExpectedEntry[]>>>>
  return Object.fromEntries(
    Object.entries(expected[part]).map(([namespace, entries]) => [
      namespace,
      Object.fromEntries(
        entries.map(({ key, keyHex, version, ...entry }) => [key ?? keyHex, { ...entry, version: `${version.block}:${version.tx}` }]),
      ),
    ]),
  )
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
