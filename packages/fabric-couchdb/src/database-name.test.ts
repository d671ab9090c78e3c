import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { metadataDatabaseName, namespaceDatabaseName } from './database-name.ts'

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('names of databases', () => {
  it('escapes capitals and dots', () => {
    expect(metadataDatabaseName('mychannel')).toBe('mychannel_')
    expect(metadataDatabaseName('my.channel-1')).toBe('my$channel-1_')
    expect(namespaceDatabaseName('mychannel', '')).toBe('mychannel_')
    expect(namespaceDatabaseName('mychannel', '_lifecycle')).toBe('mychannel__lifecycle')
    expect(namespaceDatabaseName('mychannel', 'myCC')).toBe('mychannel_my$c$c')
    expect(namespaceDatabaseName('mychannel', 'cc$$pCollA')).toBe('mychannel_cc$$p$coll$a')
    expect(namespaceDatabaseName('mychannel', 'cc$$h_implicit_org_Org1MSP')).toBe('mychannel_cc$$h_implicit_org_$org1$m$s$p')
  })

  it('cuts long names, and adds a hash of the whole', () => {
    const channel = `tob2g.y-${'z'.repeat(241)}`
    expect(metadataDatabaseName(channel)).toBe(`${channel.slice(0, 50).replace('.', '$')}(${hashOf(channel)})_`)
    const chaincode = 'wMCn'.repeat(60)
    const collection = 'pvWj'.repeat(60)
    const cut = `tob2g$y-${'z'.repeat(42)}_${'w$m$cn'.repeat(9).slice(0, 50)}`
    expect(namespaceDatabaseName(channel, chaincode)).toBe(`${cut}(${hashOf(`${channel}_${chaincode}`)})`)
    const both = `${chaincode}$$${collection}`
    expect(namespaceDatabaseName(channel, both)).toBe(`${cut}$$${'pv$wj'.repeat(10)}(${hashOf(`${channel}_${both}`)})`)
    expect(namespaceDatabaseName(channel, both)).toHaveLength(219)
    expect(namespaceDatabaseName('c', 'a'.repeat(236))).toBe(`c_${'a'.repeat(236)}`)
    expect(namespaceDatabaseName('c', 'a'.repeat(237))).toBe(`c_${'a'.repeat(50)}(${hashOf(`c_${'a'.repeat(237)}`)})`)
  })

  it.each(['', '1a', 'Channel', 'a/b', 'a/../_users', 'a?b', 'a b', 'é', 'a%2f', 'a\n', 'a'.repeat(238)])(
    'refuses the channel %j',
    (channel) => {
      expect(() => metadataDatabaseName(channel)).toThrow(expect.objectContaining({ code: 'fabric-couchdb/bad-name' }))
    },
  )

  it.each(['a/b', '../_users', 'a?x', 'a b', 'é', '%2f', '\u0000'])('refuses the namespace %j', (namespace) => {
    expect(() => namespaceDatabaseName('mychannel', namespace)).toThrow(expect.objectContaining({ code: 'fabric-couchdb/bad-name' }))
  })
})
