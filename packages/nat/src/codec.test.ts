import { describe, expect, it } from 'vitest'
import { decodeSearchAnswer, encodeCall, encodeSearch, readAnswer, readDescription, textOf } from './igd.ts'
import { decodePcp, encodePcpAnnounce, encodePcpMap } from './pcp.ts'
import { decodePmp, encodePmpAddressRequest, encodePmpMapRequest } from './pmp.ts'
import { decodeStun, encodeStunRequest } from './stun.ts'

describe('NAT-PMP, as in RFC 6886', () => {
  it('asks for the address and for mappings (§ 3.2, 3.3)', () => {
    expect(hex(encodePmpAddressRequest())).toBe('0000')
    expect(hex(encodePmpMapRequest('tcp', 0x1234, 0x5678, 3600))).toBe('0002 0000 1234 5678 00000e10'.replaceAll(' ', ''))
    expect(hex(encodePmpMapRequest('udp', 0x1234, 0, 0))).toBe('0001 0000 1234 0000 00000000'.replaceAll(' ', ''))
  })

  it.each([
    ['0080 0000 00000009 cb007105', { about: 'external-ip', externalIp: '203.0.113.5' }],
    ['0081 0000 00000009 1234 5678 00000e10', { about: 'udp', internalPort: 0x1234, externalPort: 0x5678, lifetimeS: 3600 }],
    ['0082 0000 00000009 1234 0000 00000000', { about: 'tcp', internalPort: 0x1234, externalPort: 0, lifetimeS: 0 }],
    ['0082 0003 00000009', { fault: 'nat/refused', detail: 'NAT-PMP: network failure' }],
    ['0082 0063 00000009', { fault: 'nat/refused', detail: 'NAT-PMP: result 99' }],
    ['0080 0001 00000009', { fault: 'nat/unsupported-version', detail: 'NAT-PMP: version 0' }],
    ['0281 0001 00000009', { fault: 'nat/unsupported-version', detail: 'NAT-PMP: version 2' }],
    ['', { fault: 'nat/bad-packet', detail: 'NAT-PMP: 0 bytes' }],
    ['0000 0000', { fault: 'nat/bad-packet', detail: 'NAT-PMP: no answer' }],
    ['0080 0000 00000009 cb0071', { fault: 'nat/bad-packet', detail: 'NAT-PMP: opcode 0, 11 bytes' }],
    ['0082 0000 00000009 1234 5678 00000e', { fault: 'nat/bad-packet', detail: 'NAT-PMP: opcode 2, 15 bytes' }],
    ['0083 0000 00000009 1234 5678 00000e10', { fault: 'nat/bad-packet', detail: 'NAT-PMP: opcode 3, 16 bytes' }],
  ])('reads %s', (bytes, answer) => {
    expect(decodePmp(unhex(bytes))).toEqual(answer)
  })
})

describe('PCP, as in RFC 6887', () => {
  const nonce = Uint8Array.from({ length: 12 }, (_, i) => i + 1)
  const client = '00000000 00000000 0000ffff c0a80102'
  const map = '0102030405060708090a0b0c 06 000000 1234'

  it('asks for a mapping, and whether there is a server (§ 7.1, 11.1, 14.1)', () => {
    const request = {
      clientIp: '192.168.1.2',
      nonce,
      protocol: 'tcp',
      internalPort: 0x1234,
      externalPort: 0x5678,
      lifetimeS: 3600,
    } as const
    expect(hex(encodePcpMap(request))).toBe(
      `0201 0000 00000e10 ${client} ${map} 5678 00000000 00000000 0000ffff 00000000`.replaceAll(' ', ''),
    )
    expect(hex(encodePcpAnnounce('192.168.1.2'))).toBe(`0200 0000 00000000 ${client}`.replaceAll(' ', ''))
    expect(hex(encodePcpAnnounce('2001:db8::1')).slice(16)).toBe('20010db8000000000000000000000001')
  })

  const head = (opcode: string, result: string, lifetime = '00000e10') =>
    `02${opcode} 00${result} ${lifetime} 00000009 000000000000000000000000`
  it.each([
    [`${head('80', '00')}`, { about: 'announce' }],
    [
      `${head('81', '00')} ${map} 5678 00000000 00000000 0000ffff cb007105`,
      { about: 'map', nonce, internalPort: 0x1234, externalPort: 0x5678, externalIp: '203.0.113.5', lifetimeS: 3600 },
    ],
    [`${head('81', '02')}`, { fault: 'nat/refused', detail: 'PCP: not authorized' }],
    [`${head('81', '63')}`, { fault: 'nat/refused', detail: 'PCP: result 99' }],
    [`${head('81', '01')}`, { fault: 'nat/unsupported-version', detail: 'PCP: version 2 is not spoken' }],
    ['0080 0001 00000009', { fault: 'nat/unsupported-version', detail: 'PCP: version 0' }],
    [`${head('01', '00')}`, { fault: 'nat/bad-packet', detail: 'PCP: no answer' }],
    [`${head('81', '00')}`, { fault: 'nat/bad-packet', detail: 'PCP: opcode 1' }],
    [`${head('82', '00')} ${map} 5678 00000000 00000000 0000ffff cb007105`, { fault: 'nat/bad-packet', detail: 'PCP: opcode 2' }],
    [`${head('80', '00')} 00`, { fault: 'nat/bad-packet', detail: 'PCP: 25 bytes' }],
    [`${head('80', '00')} ${'00'.repeat(1080)}`, { fault: 'nat/bad-packet', detail: 'PCP: 1104 bytes' }],
    ['', { fault: 'nat/bad-packet', detail: 'PCP: no answer' }],
  ])('reads %s', (bytes, answer) => {
    expect(decodePcp(unhex(bytes))).toEqual(answer)
  })
})

describe('STUN, as in RFC 8489', () => {
  const transaction = unhex('b7e7a701bc34d686fa87dfae')
  const software = '8022000b 7465737420766563746f7220'

  it('asks (§ 5)', () => {
    expect(hex(encodeStunRequest(transaction))).toBe(`000100002112a442${hex(transaction)}`)
  })

  it('reads the sample answers of RFC 5769 § 2.2 and § 2.3', () => {
    const ip4 = `0101003c2112a442 ${hex(transaction)} ${software} 00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`
    const ip6 = `010100482112a442 ${hex(transaction)} ${software} 00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`
    expect(decodeStun(unhex(ip4), transaction)).toEqual({ ip: '192.0.2.1', port: 32_853 })
    expect(decodeStun(unhex(ip6), transaction)).toEqual({ ip: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 })
  })

  const head = (type: string, length: string) => `${type} ${length} 2112a442 ${hex(transaction)}`
  it.each([
    [
      'an address that is not masked, of old servers',
      `${head('0101', '000c')} 00010008 0001 1234 c0000201`,
      { ip: '192.0.2.1', port: 0x1234 },
    ],
    ['an error', `${head('0111', '0008')} 00090004 00000401`, { fault: 'nat/refused', detail: 'STUN: error 401' }],
    ['another transaction', `${head('0101', '0000').slice(0, -2)}00`, { fault: 'nat/bad-packet', detail: 'STUN: another transaction' }],
    ['a request', head('0001', '0000'), { fault: 'nat/bad-packet', detail: 'STUN: type 1' }],
    ['no address', head('0101', '0000'), { fault: 'nat/bad-packet', detail: 'STUN: no address' }],
    [
      'an address of no family',
      `${head('0101', '000c')} 00200008 0003 1234 c0000201`,
      { fault: 'nat/bad-packet', detail: 'STUN: no address' },
    ],
    [
      'an attribute that is longer than the packet',
      `${head('0101', '0008')} 0020ffff 00011234`,
      { fault: 'nat/bad-packet', detail: 'STUN: no address' },
    ],
    ['a wrong length', `${head('0101', '0004')}`, { fault: 'nat/bad-packet', detail: 'STUN: no STUN' }],
    ['nothing', '', { fault: 'nat/bad-packet', detail: 'STUN: no STUN' }],
  ])('reads %s', (_, bytes, answer) => {
    expect(decodeStun(unhex(bytes), transaction)).toEqual(answer)
  })
})

describe('UPnP', () => {
  const type = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
  const reply = (location: string, st = type, status = 'HTTP/1.1 200 OK') =>
    new TextEncoder().encode(`${status}\r\nCACHE-CONTROL: max-age=120\r\nst: ${st}\r\nLocation:${location}\r\n\r\n`)

  it('searches', () => {
    expect(new TextDecoder().decode(encodeSearch(type, { ip: '239.255.255.250', port: 1900 }))).toBe(
      `M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ${type}\r\n\r\n`,
    )
  })

  it('reads the answer of a gateway', () => {
    expect(String(decodeSearchAnswer(reply('http://10.0.0.1:5000/root.xml'), '10.0.0.1'))).toBe('http://10.0.0.1:5000/root.xml')
  })

  it.each([
    ['of another device', reply('http://10.0.0.1/', 'upnp:rootdevice'), 'UPnP: no gateway'],
    ['that is a notice', reply('http://10.0.0.1/', type, 'NOTIFY * HTTP/1.1'), 'UPnP: no answer to a search'],
    ['that sends us elsewhere', reply('http://10.0.0.2/'), 'UPnP: the location is not at who answered'],
    ['that sends us to a name', reply('http://example.org/'), 'UPnP: the location is not at who answered'],
    ['that is no HTTP', reply('file:///etc/passwd'), 'UPnP: the location is not at who answered'],
    ['with a password', reply('http://a:b@10.0.0.1/'), 'UPnP: the location is not at who answered'],
    ['without a location', reply(''), 'UPnP: the location is not at who answered'],
  ])('refuses an answer %s', (_, bytes, detail) => {
    expect(decodeSearchAnswer(bytes, '10.0.0.1')).toEqual({ fault: 'nat/bad-packet', detail })
  })

  it('refuses an answer from the world outside, also where it speaks of itself', () => {
    const fault = { fault: 'nat/bad-packet', detail: 'UPnP: no gateway is that far' }
    expect(decodeSearchAnswer(reply('http://9.9.9.9:5000/root.xml'), '9.9.9.9')).toEqual(fault)
  })

  const location = new URL('http://10.0.0.1:5000/root.xml')
  const service = (name: string, controlUrl: string) =>
    `<service><serviceType>urn:schemas-upnp-org:service:${name}</serviceType><controlURL>${controlUrl}</controlURL></service>`
  const described = (xml: string) => {
    const services = readDescription(xml, location)
    return Array.isArray(services)
      ? services.map(({ type: own, controlUrl }) => `${own.split(':').slice(-2).join(':')} ${controlUrl}`)
      : services
  }

  it('finds what maps ports in a description, the best first, at the gateway only', () => {
    const services = [
      service('WANPPPConnection:1', '/ppp'),
      service('WANCommonInterfaceConfig:1', '/common'),
      service('WANIPConnection:1', 'http://10.0.0.2/elsewhere'),
      service('WANIPConnection:1', ' relative?a=1&amp;b=2 '),
      service('WANIPConnection:2', 'http://10.0.0.1:6000/two'),
    ]
    expect(described(`<root><device><serviceList>${services.join('\n')}</serviceList></device></root>`)).toEqual([
      'WANIPConnection:2 http://10.0.0.1:6000/two',
      'WANIPConnection:1 http://10.0.0.1:5000/relative?a=1&b=2',
      'WANPPPConnection:1 http://10.0.0.1:5000/ppp',
    ])
    expect(described(`<root><URLBase>http://10.0.0.1:7000/x/</URLBase>${services[0]}</root>`)).toEqual([
      'WANPPPConnection:1 http://10.0.0.1:7000/ppp',
    ])
    expect(described('<root/>')).toEqual({ fault: 'nat/bad-description', detail: 'UPnP: no service that maps ports' })
  })

  it('calls', () => {
    expect(encodeCall('urn:x', 'Do', { NewA: '<&>', NewB: 1 })).toContain(
      '<u:Do xmlns:u="urn:x"><NewA>&lt;&amp;&gt;</NewA><NewB>1</NewB></u:Do>',
    )
  })

  it('reads answers and refusals, whatever their namespaces', () => {
    const inner = '<NewExternalIPAddress>1.2.3.4</NewExternalIPAddress>'
    const answer = readAnswer(
      `<S:Envelope><S:Body><m:GetResponse xmlns:m="urn:x">${inner}</m:GetResponse></S:Body></S:Envelope>`,
      200,
      'Get',
    )
    expect(answer).toBe(inner)
    expect(textOf(`${answer}`, 'NewExternalIPAddress')).toBe('1.2.3.4')
    expect(textOf(`${answer}`, 'NewOther')).toBeUndefined()
    expect(readAnswer('<a/>', 200, 'Get')).toEqual({ fault: 'nat/bad-answer', detail: 'UPnP: no answer to Get' })
    const refusal = '<x:UPnPError><errorCode> 718 </errorCode><errorDescription>Conflict &amp; more</errorDescription></x:UPnPError>'
    expect(readAnswer(refusal, 500, 'Get')).toEqual({
      fault: 'nat/refused',
      code: 718,
      detail: 'UPnP: Get: HTTP 500, error 718 Conflict & more',
    })
    expect(readAnswer('', 404, 'Get')).toEqual({ fault: 'nat/refused', code: 0, detail: 'UPnP: Get: HTTP 404, error 0' })
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
}
