import { expect, test } from 'vitest'
import { encodeResp, RespReader } from './resp.ts'
import { RespClient } from './resp-client.ts'
import { RespServer } from './resp-server.ts'

const REPLIES = '+OK\r\n-ERR no\r\n:-3\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*2\r\n$1\r\nk\r\n*1\r\n:1\r\n*-1\r\n'
const VALUES = ['OK', { fault: 'ERR no' }, -3, 'a\r\nbc', '', null, ['k', [1]], null]

test('values come whole, byte by byte too', () => {
  expect(new RespReader().push(REPLIES)).toEqual(VALUES)
  const reader = new RespReader()
  expect([...REPLIES].flatMap((byte) => reader.push(byte))).toEqual(VALUES)
})

test('what is no RESP, or has no end, is refused', () => {
  expect(() => new RespReader().push('hello\r\n')).toThrow('no type "h"')
  expect(() => new RespReader().push(`$100000\r\n${'x'.repeat(70_000)}`)).toThrow('too large')
})

test('a command is an array of bulk strings, whose sizes are in bytes', () => {
  expect(encodeResp(['RPUSH', 'key', 'é'])).toBe('*3\r\n$5\r\nRPUSH\r\n$3\r\nkey\r\n$2\r\né\r\n')
})

test('what is pushed is popped, before and after, in order', async () => {
  await using server = await RespServer.start()
  const [one, other] = [RespClient.connect(server.address), RespClient.connect(server.address)]
  const waiting = one.command('BLPOP', 'late', '5')
  expect(await other.command('RPUSH', 'early', 'a')).toBe(1)
  expect(await other.command('RPUSH', 'early', 'b')).toBe(2)
  await other.command('RPUSH', 'late', 'c')
  expect(await waiting).toEqual(['late', 'c'])
  expect(await one.command('BLPOP', 'early', '5')).toEqual(['early', 'a'])
  expect(await other.command('BLPOP', 'early', '0')).toEqual(['early', 'b'])
  expect(await one.command('BLPOP', 'never', '0.05')).toBe(null)
  await expect(one.command('FLUSHALL')).rejects.toThrow("unknown command 'FLUSHALL'")
})

test('who waits is told that the server is gone', async () => {
  const server = await RespServer.start()
  const waiting = RespClient.connect(server.address).command('BLPOP', 'never', '0')
  waiting.catch(() => {})
  await server[Symbol.asyncDispose]()
  await expect(waiting).rejects.toThrow()
})
