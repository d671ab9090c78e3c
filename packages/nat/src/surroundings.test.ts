import { expect, it } from 'vitest'
import { defaultGateways, machine } from './surroundings.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'

it('reads default routes that are up, by metric, from the table of Linux', () => {
  const rows = [
    'wlan0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'down0\t00000000\t0201A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0',
    'tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0',
    'half0\t00000000\t0301A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0',
    'eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
  ]
  expect(defaultGateways(HEAD + rows.join('\n'))).toEqual(['192.168.1.1', '192.168.1.254'])
  expect(defaultGateways(HEAD)).toEqual([])
})

it('takes an address for its own name, and knows no loopback among the interfaces', async () => {
  expect(await machine.resolve('127.0.0.1')).toEqual(['127.0.0.1'])
  expect(await machine.resolve('::FFFF:127.0.0.1')).toEqual(['127.0.0.1'])
  expect(machine.interfaces().filter((ip) => ip.startsWith('127.'))).toEqual([])
})
