import type { Timestamp } from './header.ts'

const DAY = 86_400n

/** @returns RFC 3339 with 0, 3, 6 or 9 digits of a second, as protobuf's JSON has it; undefined outside the years 1 to 9999. */
export function formatTimestamp({ seconds, nanos }: Timestamp): string | undefined {
  if (seconds < -62_135_596_800n || seconds > 253_402_300_799n || nanos < 0 || nanos > 999_999_999) return undefined
  const ofDay = Number(((seconds % DAY) + DAY) % DAY)
  const date = formatDay(Number((seconds - BigInt(ofDay)) / DAY))
  const clock = [Math.floor(ofDay / 3600), Math.floor(ofDay / 60) % 60, ofDay % 60].map((part) => pad(part, 2)).join(':')
  const digits = pad(nanos, 9).replace(/(000){1,3}$/, '')
  return `${date}T${clock}${digits === '' ? '' : `.${digits}`}Z`
}

/** Reads RFC 3339 in UTC. @returns Undefined for anything else. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  if (year < 1 || hour > 23 || minute > 59 || second > 59) return undefined
  const days = dayOf(year, month, day)
  if (formatDay(days) !== text.slice(0, 10)) return undefined
  return { seconds: BigInt(days) * DAY + BigInt(hour * 3600 + minute * 60 + second), nanos: Number((match[7] ?? '').padEnd(9, '0')) }
}

/** Days since 1970-01-01 of a day in the Gregorian calendar; years are counted from March, so that leap days are last. */
function dayOf(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1
  const m = month > 2 ? month - 3 : month + 9
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + Math.floor((m * 153 + 2) / 5) + day - 719_469
}

function formatDay(days: number): string {
  // The year by its mean length, then corrected.
  let year = Math.floor((days + 719_468) / 365.2425) + 1
  while (dayOf(year, 1, 1) > days) year--
  let month = 12
  while (dayOf(year, month, 1) > days) month--
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(days - dayOf(year, month, 1) + 1, 2)}`
}

function pad(value: number, length: number): string {
  return String(value).padStart(length, '0')
}
