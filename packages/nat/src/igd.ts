import { ipScope, normalIp } from '@kumiko/identity'
import type { Fault, UdpEndpoint } from '@kumiko/interface'

/** Where gateways are searched for. UPnP Device Architecture 1.1 § 1.3.2 */
export const SSDP: UdpEndpoint = { ip: '239.255.255.250', port: 1900 }

/** What is searched for: both versions, since many gateways answer to one only. */
export const GATEWAY_TYPES: readonly string[] = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
]

/** What maps ports, the best first. */
const SERVICE_TYPES: readonly string[] = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
]

/** A service that maps ports. */
export interface MappingService {
  readonly type: string
  readonly controlUrl: URL
}

/** A search for one type of device. UPnP Device Architecture 1.1 § 1.3.2 */
export function encodeSearch(type: string, { ip, port }: UdpEndpoint): Uint8Array {
  const lines = ['M-SEARCH * HTTP/1.1', `HOST: ${ip}:${port}`, 'MAN: "ssdp:discover"', 'MX: 1', `ST: ${type}`]
  return new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`)
}

/**
 * Reads the answer to a search.
 *
 * @param from - Who answered. A description elsewhere is not believed: we would be sent to fetch what others choose. Nor is one from the world
 * outside, which answers any port of ours that is open to it.
 * @returns Where the gateway describes itself, or `nat/bad-packet`.
 */
export function decodeSearchAnswer(bytes: Uint8Array, from: string): URL | Fault {
  if (ipScope(from) === 4) return bad('no gateway is that far')
  const [status = '', ...lines] = new TextDecoder().decode(bytes.subarray(0, 4096)).split('\r\n')
  if (!/^HTTP\/1\.\d 200\b/i.test(status)) return bad('no answer to a search')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  if (!GATEWAY_TYPES.includes(headers.get('st') ?? '')) return bad('no gateway')
  return urlAt(headers.get('location') ?? '', undefined, from) ?? bad('the location is not at who answered')
}

/**
 * Finds what maps ports in a description.
 *
 * @param location - Where the description was read.
 * @returns The best first; at most 8. `nat/bad-description` where there is none.
 */
export function readDescription(xml: string, location: URL): readonly MappingService[] | Fault {
  const base = urlAt(textOf(xml, 'URLBase') ?? '', undefined, location.hostname) ?? location
  const services = elementsOf(xml, 'service').flatMap((service): MappingService[] => {
    const type = textOf(service, 'serviceType') ?? ''
    const controlUrl = urlAt(textOf(service, 'controlURL') ?? '', base, location.hostname)
    return SERVICE_TYPES.includes(type) && controlUrl !== undefined ? [{ type, controlUrl }] : []
  })
  if (services.length === 0) return { fault: 'nat/bad-description', detail: 'UPnP: no service that maps ports' }
  return services.sort((a, b) => SERVICE_TYPES.indexOf(a.type) - SERVICE_TYPES.indexOf(b.type)).slice(0, 8)
}

/** A call of an action, as SOAP. UPnP Device Architecture 1.1 § 3.2.1 */
export function encodeCall(type: string, action: string, parameters: Readonly<Record<string, string | number>>): string {
  const inner = Object.entries(parameters).map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`)
  return [
    '<?xml version="1.0"?>',
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">',
    `<s:Body><u:${action} xmlns:u="${type}">${inner.join('')}</u:${action}></s:Body></s:Envelope>`,
  ].join('')
}

/** Why a gateway refused a call. */
export interface CallRefusal extends Fault {
  readonly fault: 'nat/refused'
  /** As in 718, conflict in mapping entry. 0 where it gave none. */
  readonly code: number
}

/**
 * Reads the answer to a call.
 *
 * @param status - Of HTTP.
 * @returns The element of the answer, to be read by {@link textOf}; `nat/refused` with UPnP's code, or `nat/bad-answer`.
 */
export function readAnswer(xml: string, status: number, action: string): string | CallRefusal | Fault {
  if (status !== 200) {
    const code = Number(textOf(xml, 'errorCode') ?? 0) || 0
    const why = (textOf(xml, 'errorDescription') ?? '').slice(0, 80)
    return { fault: 'nat/refused', code, detail: `UPnP: ${action}: HTTP ${status}, error ${code} ${why}`.trim() }
  }
  const [answer] = elementsOf(xml, `${action}Response`)
  return answer ?? { fault: 'nat/bad-answer', detail: `UPnP: no answer to ${action}` }
}

/** The text of the first element of this name, whatever its namespace. Undefined where there is none, or none that is text alone. */
export function textOf(xml: string, name: string): string | undefined {
  const [text] = elementsOf(xml, name)
  return text === undefined || text.includes('<') ? undefined : unescaped(text.trim())
}

/**
 * What is inside the elements of a name, at most 64. Not for elements that hold others of their own name; `<name/>` holds nothing.
 *
 * A gateway's XML is plain, and is read by one walk from tag to tag: entities, DTDs and processing instructions have no meaning here.
 */
function elementsOf(xml: string, name: string): string[] {
  const found: string[] = []
  let start: number | undefined
  for (let open = xml.indexOf('<'); open >= 0 && found.length < 64; ) {
    const close = xml.indexOf('>', open)
    if (close < 0) break
    const tag = xml.slice(open + 1, Math.min(close, open + 200))
    const isEnd = tag.startsWith('/')
    const own = localName(isEnd ? tag.slice(1) : tag)
    if (own === name && isEnd && start !== undefined) {
      found.push(xml.slice(start, open))
      start = undefined
    } else if (own === name && !isEnd) {
      if (xml[close - 1] === '/') found.push('')
      else start = close + 1
    }
    open = xml.indexOf('<', close)
  }
  return found
}

/** `s:Body x="y"` → `Body` */
function localName(tag: string): string {
  const end = tag.search(/[\s/]/)
  const full = end < 0 ? tag : tag.slice(0, end)
  return full.slice(full.indexOf(':') + 1)
}

/** Undefined where it is no HTTP, or on another host. */
function urlAt(text: string, base: URL | undefined, host: string): URL | undefined {
  if (text === '' || !URL.canParse(text, base)) return undefined
  const url = new URL(text, base)
  const isThere = normalIp(url.hostname) === normalIp(host) && normalIp(host) !== undefined
  return url.protocol === 'http:' && isThere && url.username === '' ? url : undefined
}

const ENTITIES: readonly (readonly [string, string])[] = [
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&apos;', "'"],
  ['&amp;', '&'],
]

function unescaped(text: string): string {
  return ENTITIES.reduce((all, [entity, character]) => all.replaceAll(entity, character), text)
}

function escaped(text: string): string {
  return ENTITIES.toReversed().reduce((all, [entity, character]) => all.replaceAll(character, entity), text)
}

function bad(why: string): Fault {
  return { fault: 'nat/bad-packet', detail: `UPnP: ${why}` }
}
