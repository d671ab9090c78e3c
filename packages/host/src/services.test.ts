import { serviceCapabilities, serviceDependencies } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { orderServices } from './services.ts'

const provides = (...capabilities: string[]): object => ({ [serviceCapabilities]: capabilities })
const needs = (...dependencies: string[]): object => ({ [serviceDependencies]: dependencies })
const names = (ordered: [string, unknown][]): string[] => ordered.map(([name]) => name)

test('a service comes behind those that it needs; others stay as given', () => {
  const services = { first: {}, dht: needs('identify', 'ping'), identify: provides('identify'), ping: provides('ping'), last: undefined }
  expect(names(orderServices(services, []))).toEqual(['first', 'identify', 'ping', 'dht', 'last'])
})

test('what the core provides needs no service', () => {
  expect(names(orderServices({ relay: needs('transport') }, [provides('transport'), undefined]))).toEqual(['relay'])
})

test('services that need each other come in one order or the other', () => {
  const a = { [serviceCapabilities]: ['a'], [serviceDependencies]: ['b'] }
  const b = { [serviceCapabilities]: ['b'], [serviceDependencies]: ['a'] }
  expect(names(orderServices({ a, b }, []))).toEqual(['b', 'a'])
})

test('a need that nothing meets is named', () => {
  expect(() => orderServices({ dht: needs('identify') }, [])).toThrow(
    expect.objectContaining({ code: 'host/unmet-dependency', context: { service: 'dht', capability: 'identify' } }),
  )
})
