import { describe, expect, it } from 'vitest'
import { entryText, type LogEntry, Logging, MESSAGE_MAX } from './logging.ts'

function recorded(spec: string): { readonly logging: Logging; readonly entries: LogEntry[]; readonly texts: () => string[] } {
  const entries: LogEntry[] = []
  const clock = { now: () => 0, at: () => () => {} }
  const logging = new Logging({ spec, write: (entry) => void entries.push(entry), clock })
  return { logging, entries, texts: () => entries.map(entryText) }
}

describe('logging', () => {
  it('writes what the specification lets through, by modules with dots', () => {
    const { logging, texts } = recorded('kumiko.tcp=debug:error')
    const tcp = logging.forComponent('kumiko:tcp')
    const dns = logging.forComponent('kumiko:dns')
    tcp('listens on %s', 'here')
    tcp.trace('bytes')
    dns('asks')
    dns.error('no %d answers: %e', 2, new Error('refused', { cause: new Error('why') }))
    tcp.newScope('a')('b')
    expect(texts()).toEqual([
      '1970-01-01 00:00:00.000 UTC [kumiko.tcp] DEBU listens on here',
      '1970-01-01 00:00:00.000 UTC [kumiko.dns] ERRO no 2 answers: refused: why',
      '1970-01-01 00:00:00.000 UTC [kumiko.tcp.a] DEBU b',
    ])
  })

  it('changes levels while it runs, of loggers that there are too', () => {
    const { logging, entries } = recorded('info')
    const log = logging.forComponent('a')
    log('1')
    expect([log.enabled, logging.activate('a=debug'), log.enabled]).toEqual([false, undefined, true])
    log('2')
    expect(logging.activate('b=')).toContain('bad segment')
    log('3')
    expect(logging.spec).toBe('a=debug:info')
    expect(entries.map(({ message }) => message)).toEqual(['2', '3'])
  })

  it('writes one line, whatever it is given', () => {
    const { logging, entries } = recorded('debug')
    const log = logging.forComponent('a')
    log('a\nb\u001b[2J%s', 'c\r\nd')
    log({ toString: () => 'object' }, 1n, undefined)
    log('x'.repeat(MESSAGE_MAX * 2))
    log('%s %p %% %j', 'a')
    log('%s', {
      toString: () => {
        throw new Error('no')
      },
    })
    expect(entries.map(({ message }) => message.slice(0, 40))).toEqual([
      'a b [2Jc d',
      expect.stringContaining('1n'),
      'x'.repeat(40),
      'a %p % %j',
    ])
    expect(entries[2]?.message).toHaveLength(MESSAGE_MAX)
  })

  it('refuses a bad specification at its start', () => expect(() => new Logging({ spec: '=' })).toThrow('no logger specified'))
})
