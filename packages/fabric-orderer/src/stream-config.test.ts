import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { describe, expect, it } from 'vitest'
import { type StreamDemand, streamConfig, streamProblems } from './stream-config.ts'

const demand: StreamDemand = {
  name: 'KUMIKO_ORDERER_mychannel',
  subject: 'kumiko.orderer.mychannel',
  replicas: 3,
  entryBytesMax: 1000,
}

/** What a server tells of the stream that we ask for. */
const made = { ...streamConfig(demand), sealed: false, allow_rollup_hdrs: false } as StreamConfig

describe('streamProblems', () => {
  it('finds none in the stream that is made', () => {
    expect(streamProblems(made, demand)).toEqual([])
    expect(made).toMatchObject({ num_replicas: 3, max_age: 0 })
  })

  it('takes limits that refuse new entries, and more replicas', () => {
    expect(streamProblems({ ...made, max_bytes: 1_000_000, max_msgs: 1000, max_msg_size: 1000, num_replicas: 5 }, demand)).toEqual([])
  })

  it.each<[Partial<StreamConfig>, string]>([
    [{ subjects: ['kumiko.orderer.>'] }, 'subjects'],
    [{ subjects: ['kumiko.orderer.mychannel', 'more'] }, 'subjects'],
    [{ mirror: { name: 'other' } }, 'mirror'],
    [{ sources: [{ name: 'other' }] }, 'mirror and sources'],
    [{ subject_transform: { dest: 'x' } }, 'subject_transform'],
    [{ retention: RetentionPolicy.Workqueue }, 'retention'],
    [{ storage: StorageType.Memory }, 'storage'],
    [{ discard: DiscardPolicy.Old }, 'discard'],
    [{ num_replicas: 1 }, 'num_replicas is 1, and must be 3 or more'],
    [{ max_age: 1 }, 'max_age'],
    [{ max_msgs_per_subject: 10 }, 'max_msgs_per_subject'],
    [{ max_msg_size: 999 }, 'max_msg_size is 999, and must be 1000 or more'],
    [{ allow_rollup_hdrs: true }, 'allow_rollup_hdrs'],
    [{ allow_msg_ttl: true }, 'allow_msg_ttl'],
    [{ deny_delete: false }, 'deny_delete'],
    [{ deny_purge: false }, 'deny_purge'],
    [{ no_ack: true }, 'no_ack'],
    [{ sealed: true }, 'sealed'],
  ])('finds what would lose or change entries: %o', (change, what) => {
    const problems = streamProblems({ ...made, ...change }, demand)
    expect(problems.length).toBe(1)
    expect(problems[0]).toContain(what)
  })
})
