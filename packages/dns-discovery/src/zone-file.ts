/** RFC 1035 § 3.3: a string of a TXT record, in bytes. Trees are ASCII. */
const STRING_MAX = 255

/** Seconds a resolver keeps the root: as in go-ethereum, the age at which clients ask for it again. */
const ROOT_TTL = 30 * 60

/** Seconds a resolver keeps an entry, which never changes: its name is its hash. */
const ENTRY_TTL = 4 * 7 * 24 * 60 * 60

/**
 * The TXT records of a tree as a master file, to be included in a zone of BIND, NSD or Knot: it holds no SOA and no NS.
 *
 * @param zone - Text by name, the root first, as `toZone` gives it.
 * @see RFC 1035 § 5
 */
export function formatZoneFile(zone: ReadonlyMap<string, string>): string {
  const [domain = ''] = zone.keys()
  const lines = Array.from(zone, ([name, text]) => {
    const strings = text.match(new RegExp(`.{1,${STRING_MAX}}`, 'g')) ?? ['']
    const isRoot = name === domain
    const owner = isRoot ? '@' : name.slice(0, -domain.length - 1)
    return `${owner} ${isRoot ? ROOT_TTL : ENTRY_TTL} IN TXT ${strings.map((each) => `"${each}"`).join(' ')}`
  })
  return [`$ORIGIN ${domain}.`, ...lines, ''].join('\n')
}
