import { createHost } from '@kumiko/host'
import { rlpx } from '@kumiko/rlpx'
import { EventLog } from './event-log.ts'
import type { ForeignChild, Reply } from './foreign-child.ts'
import type { ForeignEvent, ForeignEventOf } from './foreign-event.ts'
import { faceOf, type Libp2p3, libp2pParts } from './js-libp2p-face.ts'
import type { Libp2pPeerOptions } from './libp2p-arguments.ts'
import { type Libp2pCommand, Libp2pCommands } from './libp2p-commands.ts'
import type { Libp2pEvent } from './libp2p-event.ts'
import type { ConnectionFacts, PeerFacts } from './libp2p-face.ts'

/** What drives a peer: a child process, or a node in this one. */
type Driven = Pick<ForeignChild, 'command' | 'next' | 'close'>

/** The size and SHA-256 (hex) of what came back. */
export interface Echoed {
  readonly size: number
  readonly sha256: string
}

/** A libp2p peer of any implementation: ours, js-libp2p's or go-libp2p's. Peers are given by their ids. */
export class Libp2pPeer implements AsyncDisposable {
  readonly id: string
  /** Where it listens, with `/p2p/` and its id. */
  readonly addresses: readonly string[]
  readonly #driven: Driven

  /** Use {@link startOurLibp2pPeer} or those of others. */
  constructor(driven: Driven, { peer, addresses }: Omit<Libp2pEvent & { event: 'ready' }, 'event'>) {
    this.#driven = driven
    this.id = peer
    this.addresses = addresses
  }

  /** The address of a transport. @param mark - `/ws`, `/quic-v1`; undefined: plain TCP. @throws Error where it listens on none. */
  address(mark?: string): string {
    const address = this.addresses.find((each) => (mark === undefined ? /\/tcp\/\d+\/p2p\//.test(each) : each.includes(`${mark}/`)))
    if (address === undefined) throw new Error(`no ${mark ?? '/tcp'} among ${this.addresses}`)
    return address
  }

  /** Its protocols, as it tells them now. */
  async protocols(): Promise<readonly string[]> {
    return stringsOf((await this.#do('self')).protocols)
  }

  /** Connects. @returns The peer's id. */
  async dial(address: string): Promise<string> {
    return String((await this.#do('dial', { address })).peer)
  }

  async connections(peer: string): Promise<readonly ConnectionFacts[]> {
    const { connections } = await this.#do('connections')
    return (connections as ConnectionFacts[]).filter((each) => each.peer === peer)
  }

  /** What identify has told of a peer. */
  async known(peer: string): Promise<PeerFacts> {
    return (await this.#do('known', { peer })) as Reply & PeerFacts
  }

  async hangUp(peer: string): Promise<void> {
    await this.#do('hang-up', { peer })
  }

  /** @returns Milliseconds. */
  async ping(peer: string): Promise<number> {
    return Number((await this.#do('ping', { peer })).ms)
  }

  /** Serves the echo under one protocol more. */
  async serveEcho(protocol: string): Promise<void> {
    await this.#do('handle', { protocol })
  }

  /** Has `size` bytes made from `seed` sent back. @param protocol - Default that which all serve. */
  async echo(peer: string, size: number, seed = 0, protocol?: string): Promise<Echoed> {
    const reply = await this.#do('echo', { peer, size, seed, ...(protocol === undefined ? {} : { protocol }) })
    return { size: Number(reply.size), sha256: String(reply.sha256) }
  }

  /** Sends, half-closes, and reads. @returns The SHA-256 that the remote answers with, as hex. */
  async sum(peer: string, size: number, seed = 0): Promise<string> {
    return String((await this.#do('sum', { peer, size, seed })).sha256)
  }

  /** Opens a stream that the remote resets. @returns How it ended here. */
  async provoke(peer: string): Promise<string> {
    return String((await this.#do('provoke', { peer })).how)
  }

  /** Resets an echo in its middle: the remote tells `echoed`. */
  async reset(peer: string): Promise<void> {
    await this.#do('reset', { peer })
  }

  /** Asks a relay for a slot. @returns The address there. */
  async reserve(relay: string): Promise<string> {
    return String((await this.#do('reserve', { address: relay })).address)
  }

  /** Ids in its DHT's table. */
  async routingTable(): Promise<readonly string[]> {
    return stringsOf((await this.#do('routing-table')).peers)
  }

  async provide(key: string): Promise<void> {
    await this.#do('provide', { key })
  }

  /** @returns Ids, `count` at most; where fewer are found, it looks until `timeoutMs` and may throw. */
  async findProviders(key: string, count: number, timeoutMs?: number): Promise<readonly string[]> {
    return stringsOf((await this.#do('find-providers', { key, count, ...(timeoutMs === undefined ? {} : { timeoutMs }) })).peers)
  }

  /** @returns Its addresses. */
  async findPeer(peer: string): Promise<readonly string[]> {
    return stringsOf((await this.#do('find-peer', { peer })).addresses)
  }

  /** @param key - Under `/kumiko`, as `/kumiko/name`. */
  async put(key: string, text: string): Promise<void> {
    await this.#do('put', { key, text })
  }

  async get(key: string): Promise<string> {
    return String((await this.#do('get', { key })).text)
  }

  async join(topic: string): Promise<void> {
    await this.#do('join', { topic })
  }

  async publish(topic: string, text: string): Promise<void> {
    await this.#do('publish', { topic, text })
  }

  /** Ids of those whom it knows to have joined. */
  async subscribers(topic: string): Promise<readonly string[]> {
    return stringsOf((await this.#do('subscribers', { topic })).peers)
  }

  /** Takes the next event of that name. @throws Error on timeout, default 5000 ms. */
  async next<Name extends Libp2pEvent['event']>(
    name: Name,
    timeoutMs?: number,
    matches?: (event: ForeignEventOf<Name>) => boolean,
  ): Promise<ForeignEventOf<Name>> {
    return await this.#driven.next(name, timeoutMs, matches)
  }

  async close(): Promise<void> {
    await this.#driven.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** For what only some peers do. */
  protected async command(cmd: string, fields: Readonly<Record<string, unknown>>): Promise<Reply> {
    return await this.#do(cmd, fields)
  }

  async #do(cmd: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Reply> {
    return await this.#driven.command({ cmd, ...fields })
  }
}

function stringsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

/** Starts a Host of ours on 127.0.0.1 that does what the others do. @param more - `hasRlpx`: a capability over RLPx beside it. */
export async function startOurLibp2pPeer(options: Libp2pPeerOptions = {}, more: { readonly hasRlpx?: boolean } = {}): Promise<Libp2pPeer> {
  const { addresses, transports, ...parts } = await libp2pParts(options)
  const capability = { name: 'eth', version: 69, length: 1 }
  const host = await createHost({
    ...parts,
    addresses: { listen: [...addresses.listen, ...(more.hasRlpx ? ['/ip4/127.0.0.1/tcp/0/rlpx'] : [])] },
    transports: [...transports, ...(more.hasRlpx ? [rlpx({ capabilities: [capability] })] : [])],
    start: true,
  })
  const face = faceOf(host as unknown as Libp2p3) // which services is told by the options
  const events = new EventLog<ForeignEvent>()
  const commands = await Libp2pCommands.of(face, (event) => events.push(event))
  const driven: Driven = {
    command: async (fields) => await commands.handle({ id: 0, ...(fields as Omit<Libp2pCommand, 'id'>) }),
    next: async <Name extends ForeignEvent['event']>(
      name: Name,
      timeoutMs?: number,
      matches: (event: ForeignEventOf<Name>) => boolean = () => true,
    ) => {
      const isNext = (event: ForeignEvent): event is ForeignEventOf<Name> => event.event === name && matches(event as ForeignEventOf<Name>)
      return await events.waitFor(isNext, timeoutMs, `our '${name}'`)
    },
    close: async () => await face.stop(),
  }
  return new Libp2pPeer(driven, { peer: face.peer, addresses: face.addresses() })
}
