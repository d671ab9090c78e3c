import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'

/** What a channel's stream must be. */
export interface StreamDemand {
  readonly name: string
  readonly subject: string
  readonly replicas: number
  readonly entryBytesMax: number
}

/** A stream that keeps every entry, and takes none where it has no room. */
export function streamConfig(demand: StreamDemand): Partial<StreamConfig> & { readonly name: string } {
  return {
    name: demand.name,
    subjects: [demand.subject],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: demand.replicas,
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msg_size: -1,
    max_msgs_per_subject: -1,
    deny_delete: true,
    deny_purge: true,
  }
}

/** What is wrong with a stream that is there: each in words, with the setting's name. Limits of its size are its operator's. */
export function streamProblems(config: StreamConfig, demand: StreamDemand): readonly string[] {
  const { max_msg_size: sizeMax, num_replicas: replicas } = config
  const found: readonly (readonly [isWrong: boolean, what: string])[] = [
    [config.subjects?.length !== 1 || config.subjects[0] !== demand.subject, `subjects must be ${demand.subject} alone`],
    [config.mirror !== undefined || (config.sources?.length ?? 0) > 0, 'mirror and sources must not be there'],
    [config.subject_transform !== undefined, 'subject_transform must not be there'],
    [config.retention !== RetentionPolicy.Limits, 'retention must be limits'],
    [config.storage !== StorageType.File, 'storage must be file'],
    [config.discard !== DiscardPolicy.New, 'discard must be new: entries that no orderer has read would go'],
    [replicas < demand.replicas, `num_replicas is ${replicas}, and must be ${demand.replicas} or more`],
    [config.max_age !== 0, 'max_age must be 0'],
    [config.max_msgs_per_subject > 0, 'max_msgs_per_subject must be -1'],
    [sizeMax >= 0 && sizeMax < demand.entryBytesMax, `max_msg_size is ${sizeMax}, and must be ${demand.entryBytesMax} or more, or -1`],
    [config.allow_rollup_hdrs === true, 'allow_rollup_hdrs must be false'],
    [config.allow_msg_ttl === true, 'allow_msg_ttl must be false'],
    [!config.deny_delete, 'deny_delete must be true'],
    [!config.deny_purge, 'deny_purge must be true'],
    [config.no_ack === true, 'no_ack must be false'],
    [config.sealed, 'sealed must be false'],
  ]
  return found.filter(([isWrong]) => isWrong).map(([, what]) => what)
}
