import { peerIdAt } from '@kumiko/identity'
import { Alarm, type Fault, type HostComponents, raceAbort } from '@kumiko/interface'
import type { Logger, PeerId, PeerInfo, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Contacts } from './contacts.ts'
import { LineStream } from './line-stream.ts'
import { KUMIKO_PROTOCOL, LINE_MAX_BYTES, MESSAGE_MAX_BYTES, roomTag } from './message.ts'
import { rendezvousKey } from './rendezvous-key.ts'
import { type Past, type PeerKey, type Present, Room, type RoomEffect, type RoomEvent, type SessionId } from './room.ts'
import { Search, type SearchTask } from './search.ts'

/** As in go-libp2p's example chat-with-rendezvous. */
export const CHAT_PROTOCOL = '/chat/1.1.0'

/** @see specs/kad-dht: the public DHT's protocol, which go-libp2p's example speaks, too. */
export const DHT_PROTOCOL = '/ipfs/kad/1.0.0'

const CALL_MS = 15_000
const SEARCH_MS = 30_000
/** For our last words. */
const LEAVE_MS = 1_000

/** Streams that a peer may open on one connection. */
const STREAMS_MAX = 4

/** Members of an earlier run that are called at the start. */
const PAST_CALLS_MAX = 64

const TAG = 'kumiko-chat'

/** What happens in a chat. */
export type ChatEvent =
  | RoomEvent
  /** The peer broke a rule, or we did not take it; its stream was cut off. */
  | { readonly type: 'fault'; readonly peer: PeerKey; readonly fault: Fault }

export interface ChatOptions {
  /** The word. */
  readonly rendezvous: string
  /** Of peers that are not ours. Default {@link CHAT_PROTOCOL}. */
  readonly protocol?: string
  /** What others call us. */
  readonly name?: string
  /** Peers that are kept connected, so that their DHT is ours. Each ends in `/p2p/…`. */
  readonly bootstrap?: readonly Multiaddr[]
  readonly past?: Past
  /** Must not throw. */
  readonly tell: (event: ChatEvent) => void
}

/** What a chat needs of its node. */
export type ChatComponents = Pick<
  HostComponents,
  'peerId' | 'peerStore' | 'registrar' | 'connectionManager' | 'contentRouting' | 'events' | 'logger' | 'clock' | 'random'
>

/** A service of a Host that meets others at a rendezvous and talks with them. */
export interface Chat {
  /** Says a line. Those who are in hear it; those who were are told when they are back. */
  say(text: string): void
  present(): Present[]
  /** Found by other means: on the local network. */
  found(peer: PeerInfo): void
}

/** Makes the service. It needs the services `identify`, `ping` and a DHT beside it. */
export function chat(options: ChatOptions): (components: ChatComponents) => Chat {
  return (components) => new ChatService(components, options)
}

class ChatService implements Chat {
  readonly #components: ChatComponents
  readonly #options: ChatOptions
  readonly #log: Logger
  readonly #room: Room
  readonly #protocol: string
  readonly #streams = new Map<SessionId, { readonly peer: PeerKey; readonly stream: LineStream }>()
  #run: Run | undefined
  #sessions = 0
  /** Waits for the last stream to end. */
  #allEnded: () => void = () => {}

  constructor(components: ChatComponents, options: ChatOptions) {
    const { rendezvous, protocol = CHAT_PROTOCOL, name, past } = options
    this.#components = components
    this.#options = options
    this.#protocol = protocol
    this.#log = components.logger.forComponent('kumiko:chat')
    this.#room = new Room({
      self: components.peerId.toString(),
      tag: roomTag(rendezvous, protocol),
      ...(name === undefined ? {} : { name }),
      ...(past === undefined ? {} : { past }),
    })
  }

  async start(): Promise<void> {
    const { registrar } = this.#components
    const limits = { maxInboundStreams: STREAMS_MAX, maxOutboundStreams: STREAMS_MAX }
    for (const protocol of [KUMIKO_PROTOCOL, this.#protocol]) {
      await registrar.handle(protocol, (stream, { remotePeer }) => this.#opened(stream, remotePeer.toString(), false), limits)
    }
  }

  async afterStart(): Promise<void> {
    const { events, registrar, clock } = this.#components
    this.#run ??= new Run(this.#components, () => this.#wake())
    const run = this.#run
    const neighbour = (): void => {
      run.search.neighbour(clock.now())
      run.alarm.set(clock.now())
    }
    run.topology = await registrar.register(DHT_PROTOCOL, { onConnect: neighbour })
    events.addEventListener('peer:disconnect', this.#disconnected)
    for (const address of this.#options.bootstrap ?? []) this.#bootstrap(run, address)
    const members = [...(this.#options.past?.seen.keys() ?? [])]
    for (const peer of members.slice(-PAST_CALLS_MAX)) run.contacts.found(peer, clock.now())
    this.#wake()
  }

  /** Says goodbye while the connections are there. */
  async beforeStop(): Promise<void> {
    const { events, registrar } = this.#components
    const run = this.#run
    this.#run = undefined
    if (run === undefined) return
    run.end()
    events.removeEventListener('peer:disconnect', this.#disconnected)
    if (run.topology !== undefined) registrar.unregister(run.topology)
    await this.#leave()
  }

  /** Not before: each handler that goes is told to all peers, except by a Host that stops. */
  async stop(): Promise<void> {
    for (const { stream } of this.#streams.values()) stream.abort({ fault: 'chat/stopped' })
    for (const protocol of [KUMIKO_PROTOCOL, this.#protocol]) await this.#components.registrar.unhandle(protocol)
  }

  say(text: string): void {
    this.#perform(this.#room.say(text, this.#now()))
  }

  present(): Present[] {
    return this.#room.present()
  }

  found({ id, multiaddrs }: PeerInfo): void {
    const store = async (): Promise<void> => {
      await this.#components.peerStore.merge(id, { multiaddrs })
      this.#found(id)
    }
    store().catch((error: unknown) => this.#log('could not store a peer - %e', error))
  }

  readonly #disconnected = ({ detail }: CustomEvent<PeerId>): void => {
    this.#run?.bootstraps.failed(detail.toString(), this.#now())
    this.#wake()
  }

  #now(): number {
    return this.#components.clock.now()
  }

  #bootstrap(run: Run, address: Multiaddr): void {
    const peer = peerIdAt(address)?.toString()
    if (peer === undefined || peer === this.#components.peerId.toString()) return
    run.addresses.set(peer, [...(run.addresses.get(peer) ?? []), address])
    run.bootstraps.found(peer, this.#now())
  }

  #found(id: PeerId): void {
    if (!id.equals(this.#components.peerId)) this.#run?.contacts.found(id.toString(), this.#now())
    this.#wake()
  }

  /** Does all that is due, and sets the alarm for what comes next. */
  #wake(): void {
    const run = this.#run
    const now = this.#now()
    this.#perform(this.#room.expire(now))
    if (run === undefined) return
    for (const peer of run.bootstraps.expire(now)) void this.#connect(run, peer)
    for (const peer of run.contacts.expire(now)) void this.#call(run, peer)
    for (const task of run.search.expire(now)) void this.#seek(run, task)
    run.alarm.set(Math.min(this.#room.deadline, run.bootstraps.deadline, run.contacts.deadline, run.search.deadline))
  }

  async #connect(run: Run, peer: PeerKey): Promise<void> {
    try {
      await this.#components.connectionManager.openConnection(run.addresses.get(peer) ?? [], { signal: run.within(CALL_MS) })
      run.bootstraps.reached(peer, this.#now())
    } catch (error) {
      this.#log('bootstrap %s is not reached - %e', peer, error)
      run.bootstraps.failed(peer, this.#now())
    }
    this.#wake()
  }

  async #call(run: Run, peer: PeerKey): Promise<void> {
    try {
      if (this.#room.isReached(peer)) return run.contacts.reached(peer, this.#now())
      const protocols = [KUMIKO_PROTOCOL, this.#protocol]
      const signal = run.within(CALL_MS)
      const stream = await this.#components.connectionManager.openStream(peerIdFromString(peer), protocols, { signal })
      this.#opened(stream, peer, true)
    } catch (error) {
      this.#log('%s is not reached - %e', peer, error)
      run.contacts.failed(peer, this.#now())
    } finally {
      this.#wake()
    }
  }

  async #seek(run: Run, task: SearchTask): Promise<void> {
    const key = rendezvousKey(this.#options.rendezvous)
    const signal = run.within(SEARCH_MS)
    let isAlone = this.#room.present().length === 0
    const isDone = await this.#isDone(async () => {
      if (task === 'advertise') return await raceAbort(this.#components.contentRouting.provide(key, { signal }), signal)
      for await (const { id } of this.#components.contentRouting.findProviders(key, { signal })) {
        this.#found(id)
        isAlone &&= id.equals(this.#components.peerId)
      }
    })
    if (task === 'advertise') run.search.advertised(isDone, this.#now())
    else run.search.looked(isAlone, this.#now())
    this.#wake()
  }

  async #isDone(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.#log('the DHT was of no help - %e', error)
      return false
    }
  }

  #opened(stream: Stream, peer: PeerKey, isOurs: boolean): void {
    const run = this.#run
    if (run === undefined) {
      stream.abort(new Error('the chat has stopped'))
      return
    }
    const id = ++this.#sessions
    const kind = stream.protocol === KUMIKO_PROTOCOL ? 'kumiko' : 'plain'
    const lines = new LineStream(stream, this.#components.clock, kind === 'kumiko' ? MESSAGE_MAX_BYTES : LINE_MAX_BYTES, {
      line: (text) => this.#perform(this.#room.receive(id, text, this.#now())),
      ended: (fault) => this.#ended(id, peer, fault),
    })
    this.#streams.set(id, { peer, stream: lines })
    if (kind === 'kumiko' || isOurs) run.contacts.reached(peer, this.#now())
    this.#perform(this.#room.open({ id, peer, kind, isOurs }, this.#now()))
    this.#wake()
  }

  #ended(id: SessionId, peer: PeerKey, fault: Fault | undefined): void {
    this.#streams.delete(id)
    if (this.#streams.size === 0) this.#allEnded()
    if (fault !== undefined && fault.fault !== 'chat/stopped') this.#options.tell({ type: 'fault', peer, fault })
    this.#perform(this.#room.closed(id, this.#now()))
    const run = this.#run
    if (run === undefined || this.#room.isReached(peer)) return
    if (fault === undefined || fault.fault === 'chat/no-hello') run.contacts.failed(peer, this.#now())
    else run.contacts.refused(peer, this.#now())
    this.#wake()
  }

  /** At most as many as there are sessions and lines to be sent. */
  #perform(effects: readonly RoomEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'tell') this.#tell(effect.event)
      else if (effect.do === 'send') void this.#send(effect.session, effect.lines)
      else if (effect.fault === undefined) this.#streams.get(effect.session)?.stream.close()
      else this.#streams.get(effect.session)?.stream.abort(effect.fault)
    }
    if (effects.length > 0) this.#run?.alarm.set(this.#room.deadline)
  }

  async #send(session: SessionId, lines: readonly string[]): Promise<void> {
    await this.#streams.get(session)?.stream.write(lines)
    this.#perform(this.#room.sent(session))
  }

  #tell(event: RoomEvent): void {
    this.#options.tell(event)
    if (event.type === 'line') return
    const isIn = event.type === 'joined'
    if (!isIn && event.isForGood) this.#run?.contacts.refused(event.peer, this.#now())
    if (!isIn && !event.isForGood) this.#run?.search.hurry(this.#now())
    this.#tag(event.peer, isIn).catch((error: unknown) => this.#log('could not tag a peer - %e', error))
  }

  /** Connections with members are the last to be pruned. */
  async #tag(peer: PeerKey, isIn: boolean): Promise<void> {
    await this.#components.peerStore.merge(peerIdFromString(peer), { tags: { [TAG]: isIn ? { value: 50 } : undefined } })
  }

  async #leave(): Promise<void> {
    const { clock } = this.#components
    const done = Promise.withResolvers<void>()
    const cancel = clock.at(clock.now() + LEAVE_MS, done.resolve)
    this.#allEnded = done.resolve
    this.#perform(this.#room.leave())
    if (this.#streams.size > 0) await done.promise
    this.#allEnded = () => {}
    cancel()
  }
}

/** What is there from a start to its stop. */
class Run {
  readonly contacts: Contacts
  readonly bootstraps: Contacts
  readonly search = new Search()
  readonly addresses = new Map<PeerKey, Multiaddr[]>()
  readonly alarm: Alarm
  topology: string | undefined
  readonly #stopping = new AbortController()

  constructor({ clock, random }: ChatComponents, wake: () => void) {
    this.contacts = new Contacts({ random })
    this.bootstraps = new Contacts({ random, areNamed: true })
    this.alarm = new Alarm(clock, wake)
  }

  within(durationMs: number): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(durationMs)])
  }

  end(): void {
    this.alarm.cancel()
    this.#stopping.abort()
  }
}
