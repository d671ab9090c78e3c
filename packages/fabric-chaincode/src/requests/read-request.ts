import type { Message } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { refusal } from './refusal.ts'

/** Reads a request. @throws KumikoError `fabric-chaincode/refused` where it is malformed. */
export function readRequest<T extends object>(type: Message<T>, payload: Uint8Array): T {
  const request = type.decode(payload)
  if (isFault(request)) throw refusal(`unmarshal failed: ${request.detail ?? request.fault}`)
  return request
}
