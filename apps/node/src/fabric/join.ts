import { readGenesis } from '@kumiko/fabric-committer'
import type { Ledger, Ledgers } from '@kumiko/fabric-ledger'
import { isFault, KumikoError } from '@kumiko/interface'
import { readBlockFile } from './block-folder.ts'
import { channelOf } from './replay.ts'

/**
 * Begins a channel's ledger with its genesis block, which is trusted.
 * @throws KumikoError `node/bad-genesis`, `node/already-joined`; of the file, as `readBlockFile`.
 */
export async function joinByBlock(ledgers: Ledgers, path: string): Promise<Ledger> {
  const genesis = await readBlockFile(path)
  const channelId = channelOf(genesis, path)
  const bundle = readGenesis(genesis, channelId)
  if (!isFault(bundle)) return await ledgers.create(genesis).catch((error: unknown) => alreadyJoined(error, channelId))
  const message = `${path}: block 0 does not begin a channel (${bundle.detail ?? bundle.fault}): give a channel's genesis block`
  throw new KumikoError('node/bad-genesis', message, { context: { path } })
}

/** Begins a channel's ledger with a snapshot, whose hash the caller trusts. @throws KumikoError `node/already-joined`, and as `Ledgers.joinSnapshot`. */
export async function joinBySnapshot(ledgers: Ledgers, folder: string): Promise<Ledger> {
  return await ledgers.joinSnapshot(folder).catch((error: unknown) => alreadyJoined(error, undefined))
}

/** A channel's ledger. @throws KumikoError `node/not-joined`, and as `Ledgers.get`. */
export async function joinedLedger(ledgers: Ledgers, channelId: string): Promise<Ledger> {
  try {
    return await ledgers.get(channelId)
  } catch (cause) {
    if (!(cause instanceof KumikoError) || cause.code !== 'fabric-ledger/no-ledger') throw cause
    await assertJoined(ledgers, channelId)
    throw cause
  }
}

/** Sees that a channel was joined, without opening its ledger. @throws KumikoError `node/not-joined`. */
export async function assertJoined(ledgers: Ledgers, channelId: string): Promise<void> {
  const known = (await ledgers.list()).map((ledger) => ledger.channelId)
  if (!known.includes(channelId)) throw notJoined(channelId, known)
}

/** @param known - Of which channels there are ledgers. */
function notJoined(channelId: string, known: readonly string[]): KumikoError {
  const there = known.length === 0 ? 'there is none yet' : `there is ${known.join(', ')}`
  const message = `no channel "${channelId}" here (${there}): join it with kumiko channel join, or correct --channelID or --data-dir`
  return new KumikoError('node/not-joined', message, { context: { channelId } })
}

function alreadyJoined(error: unknown, channelId: string | undefined): never {
  if (!(error instanceof KumikoError) || error.code !== 'fabric-ledger/ledger-exists') throw error
  const which = channelId === undefined ? 'the channel' : `channel "${channelId}"`
  const message = `${which} was joined already: kumiko channel list shows it; kumiko ledger import adds blocks`
  throw new KumikoError('node/already-joined', message, { context: { channelId }, cause: error })
}
