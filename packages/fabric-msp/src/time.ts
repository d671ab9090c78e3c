import { type DerReader, TAG } from './der.ts'

/**
 * Reads a UTCTime or GeneralizedTime as Go does: seconds may be left out of a UTCTime, a zone other than UTC is an offset, and nothing is written in
 * a longer form than it needs.
 * @returns Unix seconds; 0 where the reader fails.
 */
export function readTime(reader: DerReader, what: string): number {
  const { tag, content } = reader.any(what)
  const form = FORMS[tag]
  const time = form === undefined ? undefined : secondsFrom(form.exec(String.fromCharCode(...content.subarray(0, LENGTH_MAX + 1))))
  if (time === undefined) reader.fail(what)
  return time ?? 0
}

const LENGTH_MAX = 'YYYYMMDDHHMMSS+HHMM'.length

const FORMS: Readonly<Record<number, RegExp>> = {
  [TAG.utcTime]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))$/,
  [TAG.generalizedTime]: /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:Z|([+-])(\d\d)(\d\d))$/,
}

function secondsFrom(match: RegExpExecArray | null): number | undefined {
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((part) => Number(part ?? 0))
  const offset = offsetFrom(match[7], match[8], match[9])
  const fullYear = match[1]?.length === 4 ? year : year + (year >= 50 ? 1900 : 2000)
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(fullYear, month)
  if (!isDate || hour > 23 || minute > 59 || second > 59 || offset === undefined) return undefined
  return daysBefore(fullYear, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
}

/** Seconds east of UTC. An offset of nothing must be written `Z`. */
function offsetFrom(sign: string | undefined, hours: string | undefined, minutes: string | undefined): number | undefined {
  if (sign === undefined) return 0
  const seconds = Number(hours) * 3600 + Number(minutes) * 60
  if (seconds === 0 || Number(hours) > 24 || Number(minutes) > 59) return undefined
  return sign === '-' ? -seconds : seconds
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days from 1 January 1970 in the Gregorian calendar, counting years from March so that a leap day comes last. */
function daysBefore(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1
  const marchMonth = (month + 9) % 12
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + Math.floor((marchMonth * 153 + 2) / 5) + day - 1 - 719_468
}
