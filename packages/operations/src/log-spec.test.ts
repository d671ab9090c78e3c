import { describe, expect, it } from 'vitest'
import { levelOf, parseLogSpec, printLogSpec } from './log-spec.ts'

function printed(text: string): string {
  const spec = parseLogSpec(text)
  return 'fault' in spec ? spec.detail : printLogSpec(spec)
}

describe('a logging specification', () => {
  it.each([
    ['', 'info'],
    ['debug', 'debug'],
    ['WARNING', 'warn'],
    ['a=debug:b,c=error:warn', 'a=debug:b=error:c=error:warn'],
    ['info:a.b.=debug', 'a.b.=debug:info'],
    ['a=debug:', 'a=debug:info'],
    ['debug:info', 'info'],
    ['CRITICAL:x=notice', 'x=info:error'],
  ])('reads %j', (text, expected) => {
    expect(printed(text)).toBe(expected)
    expect(printed(expected)).toBe(expected)
  })

  it.each([
    ['nonsense', "invalid logging specification 'nonsense': bad segment 'nonsense'"],
    ['=debug', "invalid logging specification '=debug': no logger specified in segment '=debug'"],
    ['a=', "invalid logging specification 'a=': bad segment 'a='"],
    ['a=b=debug', "invalid logging specification 'a=b=debug': bad segment 'a=b=debug'"],
    ['.a=debug', "invalid logging specification '.a=debug': bad logger name '.a'"],
    ['a..=debug', "invalid logging specification 'a..=debug': bad logger name 'a..'"],
    ['Debug', "invalid logging specification 'Debug': bad segment 'Debug'"],
  ])('refuses %j in the words of Fabric', (text, expected) => expect(printed(text)).toBe(expected))

  it('holds for what is below a module, or with a dot for itself alone', () => {
    const spec = parseLogSpec('a=debug:a.b.=error:a.b.c=payload:warn')
    if ('fault' in spec) throw new Error(spec.detail)
    const levels = ['a', 'a.x', 'a.b', 'a.b.x', 'a.b.c', 'a.b.c.d', 'ab', ''].map((module) => levelOf(module, spec))
    expect(levels).toEqual(['debug', 'debug', 'error', 'debug', 'payload', 'payload', 'warn', 'warn'])
  })

  it('is no longer than a bound', () => expect(printed('a'.repeat(20_000))).toBe('logging specification longer than 16384'))
})
