import { type Fault, isFault, type Millis } from '@kumiko/interface'
import { decodeMessage, encodeMessage, type Hello, type Message, type Said } from './message.ts'

/** Own lines that are kept for who is away or slow; of more, the oldest are not delivered any more. */
export const OWN_LINES_MAX = 256

/** Peers that are in at once. */
export const PEERS_MAX = 128

/** Streams of one peer at once. */
const SESSIONS_MAX = 4

/** Peers known, away ones as well; the one that has been known for longest goes. */
const MEMBERS_MAX = 1024

/** Lines handed to a stream at once, before it has to be ready for more. */
const BATCH_MAX = 32

/** A peer that is back within this time has not left. */
const GRACE_MS: Millis = 5_000

/** A stream of ours without a hello ends after this time. */
const HELLO_MS: Millis = 10_000

/** What a peer has of us may be so far ahead of our clock: of an earlier run, whose clock was wrong. */
const AHEAD_MAX_MS: Millis = 86_400_000

export type SessionId = number

/** A peer id as text. */
export type PeerKey = string

/** A stream with a peer, as its driver sees it. */
export interface OpenedSession {
  /** Grows with each stream. */
  readonly id: SessionId
  readonly peer: PeerKey
  /** `kumiko`: our protocol. `plain`: just lines. */
  readonly kind: 'kumiko' | 'plain'
  readonly isOurs: boolean
}

/** What happens in the room. */
export type RoomEvent =
  /** `seen`: where this peer's lines begin for us. `isBack`: it was here before. */
  | { readonly type: 'joined'; readonly peer: PeerKey; readonly name?: string; readonly seen: Millis; readonly isBack: boolean }
  | { readonly type: 'left'; readonly peer: PeerKey; readonly name?: string; readonly isForGood: boolean }
  | { readonly type: 'line'; readonly peer: PeerKey; readonly name?: string; readonly at: Millis; readonly text: string }

export type RoomEffect =
  /** Write, and tell `sent` as soon as the stream takes more. Each line without its end. */
  | { readonly do: 'send'; readonly session: SessionId; readonly lines: readonly string[] }
  /** Close the stream when all is written; cut it off where the peer is at fault. */
  | { readonly do: 'end'; readonly session: SessionId; readonly fault?: Fault }
  | { readonly do: 'tell'; readonly event: RoomEvent }

/** What a room remembers of an earlier run. */
export interface Past {
  /** Our last lines, oldest first. */
  readonly own: readonly Omit<Said, 'type'>[]
  /** The last line that we have of each peer. */
  readonly seen: ReadonlyMap<PeerKey, { readonly seen: Millis; readonly name?: string }>
}

export interface RoomOptions {
  readonly self: PeerKey
  /** See `roomTag`. */
  readonly tag: string
  readonly name?: string
  readonly past?: Past
}

/** A peer that is in. */
export interface Present {
  readonly peer: PeerKey
  readonly name?: string
  readonly kind: OpenedSession['kind']
}

interface Session extends OpenedSession {
  /** Of our hello. */
  readonly last: Millis
  /** A stream of ours that the peer has not greeted on; Infinity when it has, and for plain ones. */
  helloBy: Millis
  /** The last of our lines that was written here: what follows has no gap. Infinity until the peer has greeted. */
  sentUpTo: Millis
  isBusy: boolean
}

interface Member {
  readonly peer: PeerKey
  name: string | undefined
  /** The last of its lines that we have; each stream goes on without a gap, so all up to it are here. Undefined for plain peers. */
  seen: Millis | undefined
  /** Up to here a plain peer was written to. */
  sentUpTo: Millis | undefined
  isIn: boolean
  /** Before now, in this run or an earlier one. */
  wasIn: boolean
  saidBye: boolean
  /** When it has left, unless it is back; Infinity while a stream is there. */
  leavesAt: Millis
  readonly sessions: Session[]
}

/**
 * Who is in, what was said, and who has to be told of it. Holds no stream and no timer.
 *
 * Our nodes number their lines by time. Who greets tells the last line that it has of the other, and the other goes on behind it, on whatever
 * stream: so nothing is lost with a stream, and nothing is shown twice. Plain peers are told what was said since they were last written to.
 */
export class Room {
  readonly #self: PeerKey
  readonly #tag: string
  readonly #name: string | undefined
  readonly #own: Omit<Said, 'type'>[]
  readonly #members = new Map<PeerKey, Member>()
  readonly #sessions = new Map<SessionId, Session>()
  /** Of our last line. */
  #last: Millis
  /** The last of our lines that anybody was told: what was said to an empty room is for the first who comes. */
  #heard: Millis

  constructor({ self, tag, name, past }: RoomOptions) {
    this.#self = self
    this.#tag = tag
    this.#name = name
    this.#own = past === undefined ? [] : past.own.slice(-OWN_LINES_MAX)
    this.#last = this.#own.at(-1)?.at ?? 0
    this.#heard = this.#last
    for (const [peer, { seen, name: called }] of past?.seen ?? []) Object.assign(this.#add(peer), { seen, name: called, wasIn: true })
  }

  /** When `expire` is due; Infinity if never. */
  get deadline(): Millis {
    const hellos = [...this.#sessions.values()].map(({ helloBy }) => helloBy)
    const leaves = [...this.#members.values()].map(({ leavesAt }) => leavesAt)
    return Math.min(Number.POSITIVE_INFINITY, ...hellos, ...leaves)
  }

  /** Who is in, in the order of their first coming. */
  present(): Present[] {
    return [...this.#members.values()]
      .filter(({ isIn }) => isIn)
      .map((member) => ({ ...labelOf(member), kind: this.#writer(member)?.kind ?? 'plain' }))
  }

  /** A stream of our own protocol is there, or one of a plain peer that we opened: there is no need for another. */
  isReached(peer: PeerKey): boolean {
    const sessions = this.#members.get(peer)?.sessions ?? []
    return sessions.some(({ kind, isOurs }) => kind === 'kumiko' || isOurs)
  }

  open(opened: OpenedSession, now: Millis): RoomEffect[] {
    const member = this.#members.get(opened.peer)
    const others = [...this.#members.values()].filter(({ sessions }) => sessions.length > 0).length
    if ((member === undefined || member.sessions.length === 0) && others >= PEERS_MAX) return refuse(opened, 'chat/room-full')
    if ((member?.sessions.length ?? 0) >= SESSIONS_MAX) return refuse(opened, 'chat/too-many-streams')
    return this.#open(member ?? this.#add(opened.peer), opened, now)
  }

  /** A line came. */
  receive(id: SessionId, line: string, now: Millis): RoomEffect[] {
    const session = this.#sessions.get(id)
    const member = session && this.#members.get(session.peer)
    if (session === undefined || member === undefined) return []
    if (session.kind === 'plain') return line.trim() === '' ? [] : [tellLine(member, now, line)]
    const message = decodeMessage(line)
    if (message === undefined) return []
    if (isFault(message)) return [{ do: 'end', session: id, fault: message }]
    return this.#heardOf(member, session, message, now)
  }

  /** The stream takes more. */
  sent(id: SessionId): RoomEffect[] {
    const session = this.#sessions.get(id)
    const member = session && this.#members.get(session.peer)
    if (session === undefined || member === undefined) return []
    session.isBusy = false
    return this.#flush(member)
  }

  /** The stream has ended, whoever ended it. */
  closed(id: SessionId, now: Millis): RoomEffect[] {
    const session = this.#sessions.get(id)
    const member = session && this.#members.get(session.peer)
    this.#sessions.delete(id)
    if (session === undefined || member === undefined) return []
    member.sessions.splice(member.sessions.indexOf(session), 1)
    if (member.sessions.some(isSettled)) return this.#flush(member)
    if (!member.wasIn && member.sessions.length === 0) this.#members.delete(member.peer)
    if (!member.isIn) return []
    if (member.saidBye) return this.#left(member, true)
    if (member.leavesAt === Number.POSITIVE_INFINITY) member.leavesAt = now + GRACE_MS
    return []
  }

  /** We say a line. */
  say(text: string, now: Millis): RoomEffect[] {
    const at = Math.max(this.#last + 1, Math.floor(now))
    this.#last = at
    this.#own.push({ at, text })
    if (this.#own.length > OWN_LINES_MAX) this.#own.shift()
    const name = this.#name === undefined ? {} : { name: this.#name }
    const told: RoomEffect = { do: 'tell', event: { type: 'line', peer: this.#self, ...name, at, text } }
    return [told, ...[...this.#members.values()].flatMap((member) => this.#flush(member))]
  }

  /** We leave: our nodes are told. */
  leave(): RoomEffect[] {
    const bye = encodeMessage({ type: 'bye' })
    return [...this.#sessions.values()].flatMap(({ id, kind }): RoomEffect[] => [
      ...(kind === 'kumiko' ? [{ do: 'send' as const, session: id, lines: [bye] }] : []),
      { do: 'end', session: id },
    ])
  }

  expire(now: Millis): RoomEffect[] {
    const silent = [...this.#sessions.values()].filter(({ helloBy }) => helloBy <= now)
    const gone = [...this.#members.values()].filter(({ leavesAt }) => leavesAt <= now)
    for (const session of silent) session.helloBy = Number.POSITIVE_INFINITY
    return [
      ...silent.map(({ id }): RoomEffect => ({ do: 'end', session: id, fault: { fault: 'chat/no-hello' } })),
      ...gone.flatMap((member) => this.#left(member, false)),
    ]
  }

  #open(member: Member, opened: OpenedSession, now: Millis): RoomEffect[] {
    const isPlain = opened.kind === 'plain'
    const session: Session = {
      ...opened,
      last: this.#heard,
      helloBy: isPlain ? Number.POSITIVE_INFINITY : now + HELLO_MS,
      sentUpTo: isPlain ? (member.sentUpTo ?? this.#heard) : Number.POSITIVE_INFINITY,
      isBusy: false,
    }
    member.sessions.push(session)
    this.#sessions.set(opened.id, session)
    if (isPlain) return [...this.#enter(member, now), ...this.#flush(member)]
    const hello: Hello = {
      type: 'hello',
      room: this.#tag,
      last: session.last,
      ...(this.#name === undefined ? {} : { name: this.#name }),
      ...(member.seen === undefined ? {} : { seen: member.seen }),
    }
    return [{ do: 'send', session: opened.id, lines: [encodeMessage(hello)] }]
  }

  #heardOf(member: Member, session: Session, message: Message, now: Millis): RoomEffect[] {
    if (message.type === 'hello') return this.#greeted(member, session, message, now)
    if (!isSettled(session)) return [{ do: 'end', session: session.id, fault: { fault: 'chat/bad-message', detail: 'no hello first' } }]
    if (message.type === 'bye') {
      member.saidBye = true
      return [{ do: 'end', session: session.id }]
    }
    if (message.at <= (member.seen ?? 0)) return []
    member.seen = message.at
    return [tellLine(member, message.at, message.text)]
  }

  #greeted(member: Member, session: Session, hello: Hello, now: Millis): RoomEffect[] {
    if (isSettled(session)) return [{ do: 'end', session: session.id, fault: { fault: 'chat/bad-message', detail: 'a second hello' } }]
    if (hello.room !== this.#tag) return [{ do: 'end', session: session.id, fault: { fault: 'chat/other-room' } }]
    const seen = hello.seen !== undefined && hello.seen <= Math.max(this.#last, now + AHEAD_MAX_MS) ? hello.seen : undefined
    // We have forgotten lines of ours, or our clock was set back: new ones must still be greater.
    this.#last = Math.max(this.#last, seen ?? 0)
    session.helloBy = Number.POSITIVE_INFINITY
    session.sentUpTo = seen ?? session.last
    member.name = hello.name
    member.seen ??= hello.last
    const entered = this.#enter(member, now)
    return [...entered, ...this.#surplus(member), ...this.#flush(member)]
  }

  #enter(member: Member, now: Millis): RoomEffect[] {
    const isBack = member.wasIn
    member.leavesAt = Number.POSITIVE_INFINITY
    member.saidBye = false
    if (member.isIn) return []
    member.isIn = true
    member.wasIn = true
    return [{ do: 'tell', event: { type: 'joined', ...labelOf(member), seen: member.seen ?? now, isBack } }]
  }

  #left(member: Member, isForGood: boolean): RoomEffect[] {
    member.isIn = false
    member.saidBye = false
    member.leavesAt = Number.POSITIVE_INFINITY
    return [{ do: 'tell', event: { type: 'left', ...labelOf(member), isForGood } }]
  }

  /** Of several streams of our protocol both ends keep the same one; whoever opened another closes it. */
  #surplus(member: Member): RoomEffect[] {
    const kept = this.#writer(member)
    return member.sessions
      .filter((session) => session.kind === 'kumiko' && session !== kept && session.isOurs && isSettled(session))
      .map(({ id }): RoomEffect => ({ do: 'end', session: id }))
  }

  /**
   * The stream to write on. Of our protocol: one that the peer with the lesser id opened, else the newest. Of a plain peer: one that we opened,
   * since it may read no other, else the oldest.
   */
  #writer(member: Member): Session | undefined {
    const settled = member.sessions.filter(isSettled)
    const ours = settled.filter(({ kind }) => kind === 'kumiko')
    if (ours.length === 0) return settled.find(({ isOurs }) => isOurs) ?? settled[0]
    const isFirst = this.#self < member.peer
    return ours.findLast(({ isOurs }) => isOurs === isFirst) ?? ours.at(-1)
  }

  #flush(member: Member): RoomEffect[] {
    const session = this.#writer(member)
    if (session === undefined || session.isBusy) return []
    const batch = this.#own.filter(({ at }) => at > session.sentUpTo).slice(0, BATCH_MAX)
    const last = batch.at(-1)
    if (last === undefined) return []
    session.sentUpTo = last.at
    session.isBusy = true
    if (session.kind === 'plain') for (const each of member.sessions) if (each.kind === 'plain') each.sentUpTo = last.at
    member.sentUpTo = last.at
    this.#heard = Math.max(this.#heard, last.at)
    const lines = batch.map((said) => (session.kind === 'plain' ? said.text : encodeMessage({ type: 'said', ...said })))
    return [{ do: 'send', session: session.id, lines }]
  }

  #add(peer: PeerKey): Member {
    if (this.#members.size >= MEMBERS_MAX) {
      const oldest = [...this.#members.values()].find(({ sessions, isIn }) => sessions.length === 0 && !isIn)
      if (oldest !== undefined) this.#members.delete(oldest.peer)
    }
    const member: Member = {
      peer,
      name: undefined,
      seen: undefined,
      sentUpTo: undefined,
      isIn: false,
      wasIn: false,
      saidBye: false,
      leavesAt: Number.POSITIVE_INFINITY,
      sessions: [],
    }
    this.#members.set(peer, member)
    return member
  }
}

/** Both have greeted. */
function isSettled({ sentUpTo }: Session): boolean {
  return sentUpTo !== Number.POSITIVE_INFINITY
}

function tellLine(member: Member, at: Millis, text: string): RoomEffect {
  return { do: 'tell', event: { type: 'line', ...labelOf(member), at, text } }
}

function labelOf({ peer, name }: Member): { readonly peer: PeerKey; readonly name?: string } {
  return { peer, ...(name === undefined ? {} : { name }) }
}

function refuse({ id }: OpenedSession, fault: string): RoomEffect[] {
  return [{ do: 'end', session: id, fault: { fault } }]
}
