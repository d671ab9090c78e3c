import { GOLDEN_HEIGHT, goldenJson, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { BlockMessage } from './block.ts'
import { ConfigGroup } from './config.ts'
import { isSameMessage } from './message.ts'
import { type Json, messageFromJson, messageToJson } from './message-json.ts'

function read(bytes: Uint8Array) {
  const decoded = BlockMessage.decode(bytes)
  if (isFault(decoded)) throw new Error(decoded.detail)
  return decoded
}

describe('messageToJson', () => {
  it('shows the genesis block as configtxlator did', () => {
    const shown = messageToJson(BlockMessage, read(peerBlock(0)))
    expect(shown).toEqual(goldenJson('genesis.decoded.json'))
    expect(JSON.stringify(shown)).toBe(JSON.stringify(goldenJson('genesis.decoded.json')))
  })

  it('opens a config update down to its policies', () => {
    const shown = JSON.stringify(messageToJson(BlockMessage, read(ordererBlock(52))))
    expect(shown).toContain('"last_update":{"payload":{"data":{"config_update":{"channel_id":"mychannel"')
    expect(shown).toContain('"write_set":{"groups":{"Orderer":{')
    expect(shown).toContain('"max_message_count":20')
    expect(shown).toContain('"signatures":[{"signature":"MEQ')
  })
})

describe('a block of transactions', () => {
  it('is shown down to what its transactions read and write', () => {
    const { input, rwset } = firstOf(8)
    expect(input).toEqual({ args: ['c3Vt', 'Yg==', 'ZQ==', 'dG90YWw='], decorations: {}, is_init: false })
    const [b, c, d] = [5, 5, 4].map((block, at) => ({ key: 'bcd'[at], version: { block_num: String(block), tx_num: '0' } }))
    expect(rwset).toEqual({
      metadata_writes: [],
      range_queries_info: [{ start_key: 'b', end_key: 'e', itr_exhausted: true, raw_reads: { kv_reads: [b, c, d] } }],
      reads: [],
      writes: [{ is_delete: false, key: 'total', value: 'NjAw' }],
    })
  })

  it('is read back to the same bytes', () => {
    const others = Array.from({ length: GOLDEN_HEIGHT }, (_, number) => number).filter((number) => number !== 0 && number !== 52)
    for (const number of others) {
      const json: Json = JSON.parse(JSON.stringify(messageToJson(BlockMessage, read(peerBlock(number)))))
      expect(BlockMessage.encode(messageFromJson(BlockMessage, json)), `block ${number}`).toEqual(peerBlock(number))
    }
  })
})

describe('messageFromJson', () => {
  it.each([0, 52])('reads block %i back to the same structure', (number) => {
    const original = read(ordererBlock(number))
    const json: Json = JSON.parse(JSON.stringify(messageToJson(BlockMessage, original)))
    const again = messageFromJson(BlockMessage, json)
    expect(messageToJson(BlockMessage, read(BlockMessage.encode(again)))).toEqual(json)
    expect(isSameMessage(BlockMessage, again, read(BlockMessage.encode(again)))).toBe(true)
  })

  it('says where the JSON is wrong', () => {
    const wrong = (json: Json) => {
      try {
        messageFromJson(ConfigGroup, json, 'Channel')
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

/** What a block's first transaction asks for, and what it does in the chaincode's namespace. */
function firstOf(number: number) {
  const shown = JSON.stringify(messageToJson(BlockMessage, read(peerBlock(number))))
  const [{ payload }] = JSON.parse(shown).data.data[0].payload.data.actions
  const { results } = payload.action.proposal_response_payload.extension
  const { rwset } = results.ns_rwset.find(({ namespace }: { namespace: string }) => namespace === 'golden')
  return { input: payload.chaincode_proposal_payload.input.chaincode_spec.input, rwset }
}
