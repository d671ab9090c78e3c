import { describe, expect, it } from 'vitest'
import { ACL_DEFAULTS, aclOf } from './acl.ts'

const readers = { of: 'channel', policy: '/Channel/Application/Readers' }

describe('aclOf', () => {
  it('has Fabric’s defaults', () => {
    expect(ACL_DEFAULTS.size).toBe(31)
    expect(aclOf('qscc/GetChainInfo', new Map())).toEqual(readers)
    expect(aclOf('peer/Propose', new Map())).toEqual({ of: 'channel', policy: '/Channel/Application/Writers' })
    expect(aclOf('cscc/GetChannels', new Map())).toEqual({ of: 'peer', policy: 'Members' })
    expect(aclOf('something/Else', new Map())).toBeUndefined()
  })

  it('lets a channel say otherwise, relative to its application or not', () => {
    const overrides = new Map([
      ['qscc/GetChainInfo', 'Admins'],
      ['event/Block', '/Channel/Readers'],
      ['event/FilteredBlock', ''],
      ['something/Else', 'Writers'],
      ['cscc/JoinChain', '/Channel/Readers'],
    ])
    expect(aclOf('qscc/GetChainInfo', overrides)).toEqual({ of: 'channel', policy: '/Channel/Application/Admins' })
    expect(aclOf('event/Block', overrides)).toEqual({ of: 'channel', policy: '/Channel/Readers' })
    expect(aclOf('event/FilteredBlock', overrides)).toEqual(readers)
    expect(aclOf('something/Else', overrides)).toEqual({ of: 'channel', policy: '/Channel/Application/Writers' })
    expect(aclOf('cscc/JoinChain', overrides)).toEqual({ of: 'peer', policy: 'Admins' })
  })
})
