import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { codeOf, isFault, KumikoError } from './errors.ts'

describe('KumikoError', () => {
  it('carries its code, context and cause', () => {
    const cause = new Error('EACCES')
    const error = new KumikoError('identity/unreadable', 'cannot read data/nodekey', { cause, context: { path: 'data/nodekey' } })
    expect(error).toBeInstanceOf(Error)
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'KumikoError',
      code: 'identity/unreadable',
      context: { path: 'data/nodekey' },
      message: 'cannot read data/nodekey',
      cause,
    })
    expect(String(error)).toBe('KumikoError: cannot read data/nodekey')
  })

  it('has no cause where none was given', () => {
    const error = new KumikoError('a/b', 'c')
    expect('cause' in error).toBe(false)
    expect(error.context).toEqual({})
  })
})

describe('name', () => {
  it('is js-libp2p’s where it has one for the same failure', () => {
    expect(String(new KumikoError('dialer/no-addresses', 'none is known'))).toBe('NoValidAddressesError: none is known')
    expect(new KumikoError('toString', 'no code').name).toBe('KumikoError')
  })
})

describe('codeOf', () => {
  it('is that of an error, of whichever realm', () => {
    expect(codeOf(new KumikoError('a/b', 'c'))).toBe('a/b')
    expect(codeOf(runInNewContext("Object.assign(new Error('no such file'), { code: 'ENOENT' })"))).toBe('ENOENT')
    for (const value of [undefined, null, 'ENOENT', { code: 5 }, new Error('ENOENT')]) expect(codeOf(value)).toBeUndefined()
  })
})

describe('isFault', () => {
  it('tells faults from other values', () => {
    expect(isFault({ fault: 'rlpx/bad-mac' })).toBe(true)
    for (const value of [undefined, null, 'fault', { fault: 1 }, new Error('fault'), []]) expect(isFault(value)).toBe(false)
  })
})
