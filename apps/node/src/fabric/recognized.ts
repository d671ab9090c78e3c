import {
  CHANNEL_ID,
  Config,
  ConfigEnvelope,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  type Json,
  MESSAGE_TYPES,
  type Message,
  messageToJson,
  openEnvelope,
  readBlock,
  readHeader,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { UsageError } from '../failure.ts'

/** What `channel inspect` tells apart by itself. */
export const RECOGNIZED = [
  'common.Block',
  'common.Envelope',
  'common.ConfigUpdateEnvelope',
  'common.ConfigUpdate',
  'common.ConfigEnvelope',
  'common.Config',
] as const

/**
 * Finds out what message bytes are: protobuf does not say it, but what each of these must hold does.
 * @throws KumikoError `node/unknown-message` where they are none of {@link RECOGNIZED}.
 */
export function recognize(bytes: Uint8Array): (typeof RECOGNIZED)[number] {
  const found = RECOGNIZED.find((type) => TESTS[type](bytes))
  if (found !== undefined) return found
  const why = bytes.length === 0 ? 'it is empty' : 'its bytes are none of these, or damaged'
  const message = `neither block, envelope, configuration nor update of one (${why}): correct the file, or name what it is with --type`
  throw new KumikoError('node/unknown-message', message)
}

/**
 * Shows a message as `configtxlator proto_decode --type …` does.
 * @throws KumikoError `node/usage` for an unknown type, `node/bad-message` where the bytes are not of it.
 */
export function toJson(type: string, bytes: Uint8Array): Json {
  const known = typeNamed(type)
  const decoded = known.decode(bytes)
  if (!isFault(decoded)) return messageToJson(known, decoded)
  throw new KumikoError('node/bad-message', `no ${type}: ${decoded.detail ?? decoded.fault}; correct the file or --type`)
}

function typeNamed(type: string): Message<object> {
  const known = MESSAGE_TYPES.get(type)
  if (known !== undefined) return known
  throw new UsageError(`unknown --type "${type}": want one of ${[...MESSAGE_TYPES.keys()].join(', ')}`)
}

type Test = (bytes: Uint8Array) => boolean

const HASH_BYTES = 32

const TESTS: Readonly<Record<(typeof RECOGNIZED)[number], Test>> = {
  'common.Block': (bytes) => holds(readBlock(bytes), ({ header }) => header.dataHash.length === HASH_BYTES),
  'common.Envelope': (bytes) => {
    return holds(
      holding(openEnvelope(bytes), readHeader),
      ({ channel, signature }) => channel.channelId !== '' || signature.creator.length > 0,
    )
  },
  'common.ConfigUpdateEnvelope': (bytes) => holds(ConfigUpdateEnvelope.decode(bytes), (outer) => isUpdate(outer.configUpdate)),
  'common.ConfigUpdate': isUpdate,
  'common.ConfigEnvelope': (bytes) =>
    holds(ConfigEnvelope.decode(bytes), (envelope) => (envelope.config?.channelGroup?.groups.size ?? 0) > 0),
  'common.Config': (bytes) => holds(Config.decode(bytes), ({ channelGroup }) => (channelGroup?.groups.size ?? 0) > 0),
}

function isUpdate(bytes: Uint8Array): boolean {
  return holds(ConfigUpdate.decode(bytes), ({ channelId, writeSet }) => CHANNEL_ID.test(channelId) && writeSet !== undefined)
}

function holds<T extends object>(read: T | Fault, test: (value: T) => boolean): boolean {
  return !isFault(read) && test(read)
}

function holding<T extends object, U extends object>(read: T | Fault, then: (value: T) => U | Fault): U | Fault {
  return isFault(read) ? read : then(read)
}
