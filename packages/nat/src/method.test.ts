import { KumikoError } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { formatNat, type NatMethod, parseNat } from './method.ts'

describe('what go-ethereum takes is read, and written in its shortest form', () => {
  it.each<[string, NatMethod, string]>([
    ['', { how: 'none' }, 'none'],
    ['none', { how: 'none' }, 'none'],
    ['off', { how: 'none' }, 'none'],
    ['any', { how: 'any' }, 'any'],
    ['AUTO', { how: 'any' }, 'any'],
    ['on', { how: 'any' }, 'any'],
    ['upnp', { how: 'upnp' }, 'upnp'],
    ['pmp', { how: 'pmp' }, 'pmp'],
    ['natpmp', { how: 'pmp' }, 'pmp'],
    ['nat-pmp:192.168.0.1', { how: 'pmp', gateway: '192.168.0.1' }, 'pmp:192.168.0.1'],
    ['pcp', { how: 'pcp' }, 'pcp'],
    ['pcp:10.0.0.1', { how: 'pcp', gateway: '10.0.0.1' }, 'pcp:10.0.0.1'],
    ['stun', { how: 'stun' }, 'stun'],
    ['stun:1.2.3.4:1234', { how: 'stun', server: { host: '1.2.3.4', port: 1234 } }, 'stun:1.2.3.4:1234'],
    ['stun:stun.example.org', { how: 'stun', server: { host: 'stun.example.org', port: 3478 } }, 'stun:stun.example.org:3478'],
    ['stun:[::1]:99', { how: 'stun', server: { host: '::1', port: 99 } }, 'stun:[::1]:99'],
    ['ip:1.2.3.4', { how: 'extip', ip: '1.2.3.4' }, 'extip:1.2.3.4'],
    ['extip:::FFFF:1.2.3.4', { how: 'extip', ip: '1.2.3.4' }, 'extip:1.2.3.4'],
    ['extip:2001:DB8::1', { how: 'extip', ip: '2001:db8::1' }, 'extip:2001:db8::1'],
  ])('%s', (text, method, written) => {
    expect(parseNat(text)).toEqual(method)
    expect(formatNat(method)).toBe(written)
    expect(parseNat(written)).toEqual(method)
  })
})

describe('anything else is refused, with how to mend it', () => {
  it.each([
    ['upnpp', /want none, any, upnp, pmp, pmp:IP, pcp, pcp:IP, stun, stun:HOST:PORT or extip:IP$/],
    ['constructor', /want none/],
    ['any:1', /any takes nothing after it$/],
    ['none:', /none takes nothing after it$/],
    ['extip', /want an IP address, as in extip:203\.0\.113\.7$/],
    ['extip:1.2.3', /want an IP address/],
    ['pmp:', /want the gateway's IPv4 address, as in pmp:192\.168\.1\.1$/],
    ['pcp:fe80::1', /want the gateway's IPv4 address/],
    ['stun:', /want a STUN server, as in stun:stun\.example\.org:3478$/],
    ['stun:a b:1', /want a STUN server/],
    ['stun:host:0', /want a STUN server/],
    ['stun:host:65536', /want a STUN server/],
    ['stun:[1.2.3.4]:1', /want a STUN server/],
    ['x'.repeat(200), /^bad NAT method "x{80}…"/],
  ])('%s', (text, message) => {
    let error: unknown
    try {
      parseNat(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(KumikoError)
    expect(error).toMatchObject({ code: 'nat/bad-method', message: expect.stringMatching(message) })
  })
})
