import { type ChildLife, ForeignChild, spawnProcess } from './foreign-child.ts'
import type { ForeignEvent, ForeignEventOf } from './foreign-event.ts'
import { goLibp2pProgram } from './go-build.ts'
import { type Libp2pPeerOptions, libp2pArguments } from './libp2p-arguments.ts'
import { Libp2pPeer } from './libp2p-peer.ts'

/** A node that loads its modules on a busy machine. */
const START_MS = 30_000

/** A libp2p peer in a process of its own. */
export class ForeignLibp2pPeer extends Libp2pPeer {
  readonly #child: ForeignChild

  /** Use {@link startLibp2pChild}. */
  constructor(child: ForeignChild, ready: ForeignEventOf<'ready'>) {
    super(child, ready)
    this.#child = child
  }

  /** Whether its process still runs. */
  get isLiving(): boolean {
    return this.#child.isLiving
  }
}

/** go-libp2p, which can also chat as its example chat-with-rendezvous does. */
export class GoLibp2pPeer extends ForeignLibp2pPeer {
  /**
   * Advertises the rendezvous in the DHT, opens a `/chat/1.1.0` stream to all who do so too, and tells `chat-joined`, `chat-line` and
   * `chat-left` of each stream. Needs {@link Libp2pPeerOptions.dht}.
   */
  async chat(rendezvous: string): Promise<void> {
    await this.command('chat', { key: rendezvous })
  }

  /** Sends a line to all, or to one peer. @returns To how many. */
  async say(text: string, peer?: string): Promise<number> {
    return Number((await this.command('say', { text, ...(peer === undefined ? {} : { peer }) })).count)
  }
}

/** Starts a go-libp2p peer on 127.0.0.1. @returns Undefined where Go is not installed or too old. */
export async function startGoLibp2pPeer(options: Libp2pPeerOptions = {}, life?: ChildLife): Promise<GoLibp2pPeer | undefined> {
  const program = await goLibp2pProgram()
  if (program === undefined) return undefined
  return new GoLibp2pPeer(...(await startLibp2pChild(program, libp2pArguments(options), life)))
}

/** Starts any child that speaks these lines. */
export async function startLibp2pChild(
  command: string,
  args: readonly string[],
  life?: ChildLife,
): Promise<[ForeignChild, ForeignEventOf<'ready'>]> {
  const child = new ForeignChild(spawnProcess(command, args, life))
  const isReady = (event: ForeignEvent): event is ForeignEventOf<'ready'> => event.event === 'ready'
  return [child, await child.events.waitFor(isReady, START_MS, "'ready'")]
}
