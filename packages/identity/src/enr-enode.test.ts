import { readFileSync } from 'node:fs'
import { isFault, KumikoError, type NodeEndpoint } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { curve } from './curve.ts'
import { formatEnode, parseEnode } from './enode.ts'
import { decodeEnr, decodeEnrContent, decodeEnrText, ENR_SIZE_MAX_BYTES, formatEnr, signEnr } from './enr.ts'
import { fromHex, toHex } from './hex.ts'
import { enodeOf, enrTextOf, nodeFromEnr, parseNode } from './node.ts'
import { decodeRlp, encodeRlp, isRlpBytes } from './rlp.ts'

interface Endpoint {
  readonly id?: string
  readonly ip?: string
  readonly hostname?: string
  readonly tcp?: number
  readonly udp?: number
  readonly incomplete?: true
}
interface Vectors {
  readonly enode: readonly { input: string; ok?: Endpoint; error?: string }[]
  readonly enr: readonly {
    name: string
    text: string
    rlp?: string
    privateKey?: string
    nodeId?: string
    seq?: number
    pairs?: Record<string, string>
    signature?: string
    ip?: string
    tcp?: number
    udp?: number
    eth?: { forkHash: string; forkNext: number }
  }[]
  readonly enrBad: readonly { text: string; error: string }[]
  readonly enrStructure: readonly { rlp: string; ok?: string; error?: string }[]
  readonly rules: { maxRlpSize: number; keysSortedUnique: boolean }
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/enr-enode.json', import.meta.url), 'utf8')) as Vectors
const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array()

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return error instanceof KumikoError ? error.code : `not a KumikoError: ${error}`
  }
  return 'no error'
}

/** The words of the vectors, and the part of our message that says the same. */
const REASONS: Record<string, RegExp> = {
  'invalid port': /invalid port/,
  'invalid discport in query': /invalid discport/,
  'missing "enr:" or "enode://" prefix': /want enode:\/\/…, enr:…/,
  'missing prefix (bare hex: accepted by old geth <=1.8 only)': /put "enode:\/\/" in front/,
  'missing prefix': /want enode:\/\/…, enr:…/,
  'invalid public key (wrong length, want 128 hex chars)': /invalid public key, want 128 hex/,
}

test.each(vectors.enode)('enode $input', ({ input, ok, error }) => {
  if (error !== undefined) {
    expect(codeOf(() => parseNode(input))).toBe(input.startsWith('enode://') ? 'identity/bad-enode' : 'identity/bad-node')
    expect(() => parseNode(input)).toThrow(REASONS[error])
    return
  }
  const { publicKey, host, tcp = 0, udp = 0 } = parseEnode(input)
  expect(toHex(curve.expand(publicKey)!)).toBe(ok?.id ?? input.slice(8, 136))
  expect({ host, tcp, udp }).toEqual({ host: ok?.ip ?? ok?.hostname, tcp: ok?.tcp ?? 0, udp: ok?.udp ?? 0 })
  expect(host === undefined).toBe(ok?.incomplete === true)
  expect(formatEnode(parseEnode(input))).toBe(input)
})

test.each(vectors.enr)('ENR $name', (vector) => {
  const enr = decodeEnrText(vector.text)
  if (isFault(enr)) throw new Error(enr.detail)
  const node = nodeFromEnr(enr)
  expect(formatEnr(enr)).toBe(vector.text)
  expect(enrTextOf(parseNode(vector.text))).toBe(vector.text)
  if (vector.rlp !== undefined) expect(toHex(enr.bytes)).toBe(vector.rlp)
  if (vector.nodeId !== undefined) expect(node.nodeId).toBe(vector.nodeId)
  if (vector.seq !== undefined) expect(enr.seq).toBe(BigInt(vector.seq))
  if (vector.signature !== undefined) expect(toHex(enr.signature)).toBe(vector.signature)
  for (const [key, value] of Object.entries(vector.pairs ?? {})) {
    const item = decodeRlp(enr.entries.get(key)!)
    expect(isRlpBytes(item) && toHex(item)).toBe(key === 'id' ? '7634' : value)
  }
  if (vector.ip !== undefined) expect(node.endpoints).toEqual([{ host: vector.ip, tcp: vector.tcp!, udp: vector.udp! }])
  if (vector.eth !== undefined) {
    expect(node.entry('eth')).toEqual(encodeRlp([[bytes(vector.eth.forkHash), vector.eth.forkNext]]))
  }
  if (vector.privateKey !== undefined) {
    expect(formatEnr(signEnr(bytes(vector.privateKey), enr.seq, Object.fromEntries(enr.entries)))).toBe(vector.text)
  }
})

test.each(vectors.enrBad)('bad ENR: $error', ({ text }) => {
  expect(decodeEnrText(text)).toMatchObject({ fault: 'identity/bad-enr' })
  expect(codeOf(() => parseNode(text))).toBe(text.startsWith('enr:') ? 'identity/bad-enr' : 'identity/bad-node')
})

test.each(vectors.enrStructure)('ENR structure $rlp', ({ rlp, error }) => {
  const content = decodeEnrContent(bytes(rlp))
  if (error === undefined) expect(isFault(content)).toBe(false)
  else expect(content).toEqual({ fault: 'identity/bad-enr', detail: error })
  expect(decodeEnr(bytes(rlp))).toMatchObject({ fault: 'identity/bad-enr' })
})

const secretKey = new Uint8Array(32).fill(3)
const rlpOf = (value: number | string): Uint8Array => encodeRlp(typeof value === 'string' ? bytes(value) : value)

test('the limit of 300 bytes holds when signing and when reading', () => {
  expect(ENR_SIZE_MAX_BYTES).toBe(vectors.rules.maxRlpSize)
  const base = signEnr(secretKey, 1n, { pad: rlpOf('ff'.repeat(160)) }).bytes.length
  const fill = (size: number): Record<string, Uint8Array> => ({ pad: rlpOf('ff'.repeat(160 + size - base)) })
  expect(signEnr(secretKey, 1n, fill(300)).bytes.length).toBe(300)
  expect(codeOf(() => signEnr(secretKey, 1n, fill(301)))).toBe('identity/record-too-large')
  expect(decodeEnr(new Uint8Array(301))).toEqual({ fault: 'identity/bad-enr', detail: 'longer than 300 bytes' })
})

test('keys must be sorted and unique', () => {
  expect(vectors.rules.keysSortedUnique).toBe(true)
  const content = (...keys: string[]): unknown =>
    decodeEnrContent(encodeRlp([bytes('01'), 1, ...keys.flatMap((key) => [new TextEncoder().encode(key), 1])]))
  expect(isFault(content('a', 'aa', 'b'))).toBe(false)
  expect(content('b', 'a')).toEqual({ fault: 'identity/bad-enr', detail: 'keys are not sorted' })
  expect(content('a', 'a')).toEqual({ fault: 'identity/bad-enr', detail: 'a key is there twice' })
})

test('a record that was tampered with is refused', () => {
  const enr = signEnr(secretKey, 7n, { tcp: rlpOf(30303) })
  const tampered = enr.bytes.slice()
  tampered[tampered.length - 1] = 0x60
  expect(decodeEnr(enr.bytes)).toEqual(enr)
  expect(decodeEnr(tampered)).toEqual({ fault: 'identity/bad-enr', detail: 'invalid signature' })
  expect(decodeEnr(Uint8Array.of(...enr.bytes, 0))).toMatchObject({ fault: 'identity/bad-enr' })
})

test('a sequence number has at most 64 bits, and no leading zeros', () => {
  const content = (seq: Uint8Array): unknown => decodeEnrContent(encodeRlp([bytes('01'), seq]))
  expect(content(bytes('ff'.repeat(8)))).toMatchObject({ seq: 2n ** 64n - 1n })
  for (const seq of ['ff'.repeat(9), '0001'])
    expect(content(bytes(seq))).toEqual({ fault: 'identity/bad-enr', detail: 'bad sequence number' })
})

test('one record has one text', () => {
  const text = vectors.enr[0]?.text ?? ''
  for (const other of [`${text}=`, `${text} `, text.replace('_', '/'), text.replace('enr:', 'ENR:'), `${text}A`]) {
    expect(decodeEnrText(other)).toMatchObject({ fault: 'identity/bad-enr' })
  }
})

test('entries and sequence numbers of our caller are checked', () => {
  expect(codeOf(() => signEnr(secretKey, -1n, {}))).toBe('identity/bad-seq')
  expect(codeOf(() => signEnr(secretKey, 2n ** 64n, {}))).toBe('identity/bad-seq')
  expect(signEnr(secretKey, 2n ** 64n - 1n, {}).seq).toBe(2n ** 64n - 1n)
  expect(codeOf(() => signEnr(secretKey, 1n, { x: bytes('8105') }))).toBe('identity/bad-entry')
  expect(codeOf(() => signEnr(secretKey, 1n, { é: rlpOf(1) }))).toBe('identity/bad-entry')
})

/** Endpoints by the rules of `endpointSelection`; the cases are those of go-ethereum's TestNodeEndpoints. */
const endpointCases: { name: string; entries: Record<string, Uint8Array>; want: readonly NodeEndpoint[] }[] = [
  { name: 'nothing', entries: {}, want: [] },
  { name: 'ports only', entries: { udp: rlpOf(9000), tcp: rlpOf(9001) }, want: [] },
  { name: 'IPv4 only', entries: { ip: rlpOf('63212223'), udp: rlpOf(9000) }, want: [{ host: '99.33.34.35', udp: 9000 }] },
  { name: 'loopback IPv4', entries: { ip: rlpOf('7f000001'), tcp: rlpOf(1) }, want: [{ host: '127.0.0.1', tcp: 1 }] },
  { name: 'unspecified IPv4', entries: { ip: rlpOf('00000000'), tcp: rlpOf(1) }, want: [] },
  {
    name: 'IPv4 LAN and IPv6 global: global first',
    entries: { ip: rlpOf('c0a80002'), ip6: rlpOf('20010db9000000000000000000000001'), tcp: rlpOf(1), tcp6: rlpOf(6) },
    want: [
      { host: '2001:db9::1', tcp: 6 },
      { host: '192.168.0.2', tcp: 1 },
    ],
  },
  {
    name: 'both loopback: IPv4 first, and its port where IPv6 has none',
    entries: { ip: rlpOf('7f000001'), ip6: rlpOf('00000000000000000000000000000001'), udp: rlpOf(5) },
    want: [
      { host: '127.0.0.1', udp: 5 },
      { host: '::1', udp: 5 },
    ],
  },
  {
    name: 'both global: IPv4 first',
    entries: { ip: rlpOf('63212223'), ip6: rlpOf('20010db9000000000000000000000001'), tcp: rlpOf(1) },
    want: [
      { host: '99.33.34.35', tcp: 1 },
      { host: '2001:db9::1', tcp: 1 },
    ],
  },
  {
    name: 'LAN before loopback',
    entries: { ip: rlpOf('7f000001'), ip6: rlpOf('fd000000000000000000000000000001'), tcp: rlpOf(1) },
    want: [
      { host: 'fd00::1', tcp: 1 },
      { host: '127.0.0.1', tcp: 1 },
    ],
  },
  {
    name: 'ports beyond 65535, 0, and lists',
    entries: { ip: rlpOf('63212223'), udp: rlpOf(70000), tcp: bytes('c0') },
    want: [{ host: '99.33.34.35' }],
  },
  { name: 'addresses of wrong length', entries: { ip: rlpOf('632122'), ip6: rlpOf('63212223'), tcp: rlpOf(0) }, want: [] },
  {
    name: 'IPv4 in ip6',
    entries: { ip6: rlpOf('00000000000000000000ffff63212223'), tcp: rlpOf(1) },
    want: [{ host: '99.33.34.35', tcp: 1 }],
  },
]

test.each(endpointCases)('endpoints: $name', ({ entries, want }) => {
  expect(nodeFromEnr(signEnr(secretKey, 1n, entries)).endpoints).toEqual(want)
})

test('the size of an empty record and of one entry, unsigned', () => {
  expect(encodeRlp([new Uint8Array(), 0]).length).toBe(3)
  expect(encodeRlp([new Uint8Array(), 0, new TextEncoder().encode('k'), new TextEncoder().encode('v')]).length).toBe(5)
})

test('an enode URL that lacks an endpoint is written incomplete', () => {
  const node = nodeFromEnr(signEnr(secretKey, 1n, {}))
  expect(enodeOf(node)).toMatch(/^enode:\/\/[0-9a-f]{128}$/)
})
