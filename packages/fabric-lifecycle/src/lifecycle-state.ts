import { KumikoError } from '@kumiko/interface'

/** Keys of `_lifecycle`: the public ones, or those of one organisation's implicit collection. */
export interface ReadableState {
  /** Undefined where the key is absent. */
  getState(key: string): Promise<Uint8Array | undefined>
}

/** Keys that can be written too; what was written is not seen by reads. */
export interface WritableState extends ReadableState {
  putState(key: string, value: Uint8Array): Promise<void>
  deleteState(key: string): Promise<void>
}

/** Keys that can be walked through. */
export interface RangeableState extends ReadableState {
  /** From `startKey` on to before `endKey`, in the keys' order. */
  range(startKey: string, endKey: string): AsyncIterable<{ readonly key: string; readonly value: Uint8Array }>
}

/** An organisation's implicit collection, as all others see it: hashes alone. */
export interface OpaqueState {
  /** Whose it is. */
  readonly mspId: string
  /** The SHA-256 of a value; undefined where the key is absent. */
  getStateHash(key: string): Promise<Uint8Array | undefined>
}

/**
 * Refuses what a client asked of `_lifecycle`.
 * @param message - Fabric's words: the client reads them.
 * @returns KumikoError `fabric-lifecycle/refused`.
 */
export function refused(message: string): KumikoError {
  return new KumikoError('fabric-lifecycle/refused', message)
}

/** A chaincode that the channel does not define. @returns KumikoError `fabric-lifecycle/not-defined`: clients get status 404. */
export function notDefined(chaincode: string): KumikoError {
  return new KumikoError('fabric-lifecycle/not-defined', `namespace ${chaincode} is not defined`, { context: { chaincode } })
}
