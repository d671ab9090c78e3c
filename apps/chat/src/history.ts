import type { Millis } from '@kumiko/interface'
import { isTime, LINE_MAX_BYTES, parse } from './message.ts'
import type { Past, PeerKey, RoomEvent } from './room.ts'

/** Events kept. */
export const HISTORY_MAX = 1000

/** What is remembered: who said what, and from where on we have a peer's lines. */
export type HistoryEntry =
  | { readonly type: 'line'; readonly peer: PeerKey; readonly name?: string; readonly at: Millis; readonly text: string }
  | { readonly type: 'joined'; readonly peer: PeerKey; readonly name?: string; readonly seen: Millis }

/** What of an event is remembered. */
export function entryOf(event: RoomEvent): HistoryEntry | undefined {
  if (event.type === 'left') return undefined
  const label = { peer: event.peer, ...(event.name === undefined ? {} : { name: event.name }) }
  if (event.type === 'line') return { type: 'line', ...label, at: event.at, text: event.text }
  return { type: 'joined', ...label, seen: event.seen }
}

/** Reads a history: JSON lines. One that is broken, as the last is after `kill -9`, is left out. */
export function readHistory(text: string): HistoryEntry[] {
  return text.split('\n').flatMap((line) => readEntry(line) ?? [])
}

/** What a room goes on from. */
export function pastOf(entries: readonly HistoryEntry[], self: PeerKey): Past {
  const own = entries.flatMap((entry) => (entry.type === 'line' && entry.peer === self ? [{ at: entry.at, text: entry.text }] : []))
  const seen = new Map<PeerKey, { seen: Millis; name?: string }>()
  for (const entry of entries) {
    if (entry.peer === self) continue
    const last = Math.max(seen.get(entry.peer)?.seen ?? 0, entry.type === 'line' ? entry.at : entry.seen)
    seen.set(entry.peer, { seen: last, ...(entry.name === undefined ? {} : { name: entry.name }) })
  }
  return { own: own.sort((one, other) => one.at - other.at), seen }
}

function readEntry(line: string): HistoryEntry | undefined {
  const value = parse(line)
  if (typeof value !== 'object' || value === null) return undefined
  const { type, peer, name, at, seen, text } = value as Readonly<Record<string, unknown>>
  if (typeof peer !== 'string') return undefined
  const label = { peer, ...(typeof name === 'string' ? { name } : {}) }
  if (type === 'joined' && isTime(seen)) return { type, ...label, seen }
  if (type !== 'line' || !isTime(at) || typeof text !== 'string' || Buffer.byteLength(text) > LINE_MAX_BYTES) return undefined
  return { type, ...label, at, text }
}
