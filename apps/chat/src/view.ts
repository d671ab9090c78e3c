import type { InspectColor } from 'node:util'
import { printable } from '@kumiko/terminal'
import type { ChatEvent } from './chat.ts'
import type { HistoryEntry } from './history.ts'
import type { PeerKey, Present } from './room.ts'

/** What a chat is, once it has started. */
export interface Started {
  readonly version: string
  readonly peerId: PeerKey
  readonly name?: string
  readonly rendezvous: string
  readonly addresses: readonly string[]
}

/** Where a chat is shown. */
export interface View {
  started(started: Started, history: readonly HistoryEntry[], present: () => readonly Present[]): void
  event(event: ChatEvent): void
  /** Something that the user has to know. */
  notice(text: string): void
  who(present: readonly Present[]): void
  stopped(): void
}

/** A line that is older was said while we were away. */
const LATE_MS = 30_000

/** The machine's `Date.now`. */
type Now = () => number

/** One JSON value a line. `write` gets it without its end. */
export function jsonView(write: (line: string) => void, now: Now): View {
  let self: PeerKey | undefined
  const put = (event: string, fields: object): void => write(JSON.stringify({ event, time: new Date(now()).toISOString(), ...fields }))
  return {
    started(started, history) {
      self = started.peerId
      put('started', started)
      for (const entry of history) if (entry.type === 'line') put('history', lineOf(entry))
    },
    event(event) {
      if (event.type === 'line') put(event.peer === self ? 'said' : 'line', lineOf(event))
      else if (event.type === 'joined') put('joined', { peer: event.peer, name: event.name, isBack: event.isBack })
      else if (event.type === 'left') put('left', { peer: event.peer, name: event.name })
      else put('fault', { peer: event.peer, fault: event.fault.fault, detail: event.fault.detail })
    },
    notice: (text) => put('notice', { text }),
    who: (present) => put('who', { present }),
    stopped: () => put('stopped', {}),
  }
}

/** Options of {@link textView}. */
export interface TextViewOptions {
  /** Gets a line without its end. */
  readonly write: (line: string) => void
  /** Colours text where stdout shows colours. */
  readonly style: (color: InspectColor, text: string) => string
  readonly now: Now
}

const COLORS: readonly InspectColor[] = ['cyan', 'green', 'yellow', 'magenta', 'blue', 'cyanBright', 'greenBright', 'magentaBright']

/** Lines for a person, at a terminal or behind a pipe. What we said is there already, or nobody's. */
export function textView({ write, style, now }: TextViewOptions): View {
  let self: { readonly peer: PeerKey; readonly name?: string } | undefined
  let present: () => readonly Present[] = () => []
  /** A name that somebody else has, too, is told with its peer; and one that looks as if it was. */
  const label = ({ peer, name }: { readonly peer: PeerKey; readonly name?: string }): string => {
    const others = [...present(), ...(self === undefined ? [] : [self])].filter((other) => other.peer !== peer)
    const isClear = name !== undefined && !name.includes('~') && others.every((other) => other.name !== name)
    const text = isClear ? name : `${name ?? ''}~${peer.slice(-6)}`
    return style(COLORS[(peer.codePointAt(peer.length - 1) ?? 0) % COLORS.length] ?? 'cyan', printable(text))
  }
  const line = (entry: { readonly peer: PeerKey; readonly name?: string; readonly at: number; readonly text: string }): string => {
    const when = Math.abs(now() - entry.at) > LATE_MS ? ` ${style('dim', `(${clockTime(entry.at, now())})`)}` : ''
    return `${label(entry)}${when}: ${printable(entry.text)}`
  }
  return {
    started(started, history, who) {
      self = { peer: started.peerId, ...(started.name === undefined ? {} : { name: started.name }) }
      present = who
      write(`Meeting at ${style('bold', printable(started.rendezvous))} as ${label(self)}, ${started.peerId}`)
      for (const address of started.addresses) write(style('dim', `others find you with --bootstrap ${address}`))
      for (const entry of history) if (entry.type === 'line') write(line(entry))
    },
    event(event) {
      if (event.type === 'line') {
        if (event.peer !== self?.peer) write(line(event))
      } else if (event.type === 'joined') write(style('dim', `+ ${label(event)} ${event.isBack ? 'is back' : 'joined'}`))
      else if (event.type === 'left') write(style('dim', `− ${label(event)} left`))
      else write(style('yellow', `! ~${event.peer.slice(-6)} was cut off: ${printable(event.fault.detail ?? event.fault.fault)}`))
    },
    notice: (text) => write(style('yellow', `! ${printable(text)}`)),
    who(all) {
      if (all.length === 0) write('nobody is here yet')
      for (const one of all) write(`${label(one)} ${style('dim', `${one.peer}${one.kind === 'plain' ? ', plain libp2p' : ''}`)}`)
    },
    stopped: () => {},
  }
}

function lineOf({ peer, name, at, text }: Extract<HistoryEntry, { type: 'line' }>): object {
  return { peer, name, at, text }
}

/** Local time; of another day with the day before it. */
function clockTime(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)]
  // What a peer says may be beyond what dates can be.
  if (Number.isNaN(then.getTime())) return '?'
  const time = then.toTimeString().slice(0, 5)
  return then.toDateString() === today.toDateString() ? time : `${then.toLocaleDateString('sv')} ${time}`
}
