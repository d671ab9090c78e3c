import { goldenJson, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { block, configGroup } from './common.ts'
import { decodeMessage, encodeMessage, isSameMessage } from './message.ts'
import { type Json, messageFromJson, messageToJson } from './message-json.ts'

function read(bytes: Uint8Array) {
  const decoded = decodeMessage(block, bytes)
  if (isFault(decoded)) throw new Error(decoded.detail)
  return decoded
}

describe('messageToJson', () => {
  it('shows the genesis block as configtxlator did', () => {
    const shown = messageToJson(block, read(peerBlock(0)))
    expect(shown).toEqual(goldenJson('genesis.decoded.json'))
    expect(JSON.stringify(shown)).toBe(JSON.stringify(goldenJson('genesis.decoded.json')))
  })

  it('opens a config update down to its policies', () => {
    const shown = JSON.stringify(messageToJson(block, read(ordererBlock(52))))
    expect(shown).toContain('"last_update":{"payload":{"data":{"config_update":{"channel_id":"mychannel"')
    expect(shown).toContain('"write_set":{"groups":{"Orderer":{')
    expect(shown).toContain('"max_message_count":20')
    expect(shown).toContain('"signatures":[{"signature":"MEQ')
  })
})

describe('messageFromJson', () => {
  it.each([0, 52])('reads block %i back to the same structure', (number) => {
    const original = read(ordererBlock(number))
    const json: Json = JSON.parse(JSON.stringify(messageToJson(block, original)))
    const again = messageFromJson(block, json)
    expect(messageToJson(block, read(encodeMessage(block, again)))).toEqual(json)
    expect(isSameMessage(block, again, read(encodeMessage(block, again)))).toBe(true)
  })

  it('says where the JSON is wrong', () => {
    const wrong = (json: Json) => {
      try {
        messageFromJson(configGroup, json, 'Channel')
      } catch (error) {
        return String(error)
      }
      return 'nothing'
    }
    expect(wrong({ versoin: '1' })).toBe(
      'KumikoError: versoin is no field of common.ConfigGroup: it has version, groups, values, policies, mod_policy',
    )
    expect(wrong({ version: '-1' })).toBe('KumikoError: version needs a whole number from 0 to 18446744073709551615')
    expect(wrong({ groups: { Orderer: { values: { BatchSize: { value: { max_message_count: 'ten' } } } } } })).toBe(
      'KumikoError: groups.Orderer.values.BatchSize.value.max_message_count needs a whole number from 0 to 4294967295',
    )
    expect(wrong({ values: { Nonsense: { value: {} } } })).toBe('KumikoError: values.Nonsense.value needs base64')
    expect(wrong({ groups: { Orderer: { values: { ConsensusType: { value: { state: 'ODD' } } } } } })).toContain(
      'needs one of STATE_NORMAL, STATE_MAINTENANCE',
    )
    expect(wrong([])).toBe('KumikoError: the JSON needs an object: common.ConfigGroup')
  })
})
