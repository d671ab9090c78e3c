import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { formatIp, ipScope, isLan, parseIp } from '@kumiko/identity'
import type { RandomBytes, UdpEndpoint } from '@kumiko/interface'
import { SSDP } from './igd.ts'
import { PMP_PORT } from './pmp.ts'

/** What NAT needs to know of the machine and its network; tests put another in its place. */
export interface Surroundings {
  /** Gateways to be asked, the likeliest first; IPv4. */
  gateways(): Promise<readonly string[]>
  /** Our own IPv4 addresses that reach further than this machine. */
  interfaces(): readonly string[]
  /** Addresses of a name, best first. */
  resolve(host: string): Promise<readonly string[]>
  readonly randomBytes: RandomBytes
  /** Where NAT-PMP and PCP are spoken. */
  readonly pmpPort: number
  /** Where UPnP gateways are searched for. */
  readonly ssdp: UdpEndpoint
}

/** As many gateways are asked, and as many interfaces searched. */
const GATEWAYS_MAX = 8
const INTERFACES_MAX = 16

/** This machine. */
export const machine: Surroundings = {
  gateways: likelyGateways,
  interfaces: () => addresses().map(({ address }) => address),
  resolve: async (host) => {
    const known = parseIp(host)
    return known === undefined ? (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address) : [formatIp(known)]
  },
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  pmpPort: PMP_PORT,
  ssdp: SSDP,
}

/** Where the system tells its routes, they hold; elsewhere the first address of each private network is tried, as go-ethereum does. */
async function likelyGateways(): Promise<readonly string[]> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => undefined)
  const guesses = addresses()
    .filter(({ address }) => isLan(address))
    .flatMap(({ address, netmask }) => firstOf(address, netmask) ?? [])
  return [...new Set(routes === undefined ? guesses : defaultGateways(routes))].slice(0, GATEWAYS_MAX)
}

/**
 * The gateways of default routes that are up, the best first.
 *
 * @param table - As in Linux's `/proc/net/route`: addresses are hexadecimal, the last byte first.
 */
export function defaultGateways(table: string): string[] {
  const routes = table.split('\n').flatMap((line) => {
    const [, destination, gateway = '', flags = '', , , metric, mask] = line.trim().split(/\s+/)
    const isDefault = destination === '00000000' && mask === '00000000' && (Number.parseInt(flags, 16) & 3) === 3
    if (!isDefault || !/^[0-9a-f]{8}$/i.test(gateway)) return []
    const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16))
    return [{ ip: bytes.join('.'), metric: Number(metric) }]
  })
  return routes.sort((a, b) => a.metric - b.metric).map(({ ip }) => ip)
}

function addresses(): readonly { readonly address: string; readonly netmask: string }[] {
  const all = Object.values(networkInterfaces()).flatMap((infos) => infos ?? [])
  return all.filter(({ family, internal, address }) => family === 'IPv4' && !internal && ipScope(address) >= 3).slice(0, INTERFACES_MAX)
}

/** The first host of a network: 192.168.1.1 for 192.168.1.77/24. */
function firstOf(address: string, netmask: string): string | undefined {
  const [ip, mask] = [parseIp(address), parseIp(netmask)]
  if (ip === undefined || mask === undefined) return undefined
  return formatIp(ip.map((byte, i) => (byte & (mask[i] ?? 0)) | (i === 3 ? 1 : 0)))
}
