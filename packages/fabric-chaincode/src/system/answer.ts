import type { AccessControl } from '@kumiko/fabric-msp'
import { proposalSignedData, type Response } from '@kumiko/fabric-protocol'
import type { TransactionContext } from '../contract.ts'

/** @see Fabric's `shim.Success` */
export function success(payload: Uint8Array = new Uint8Array()): Response {
  return { status: 200, message: '', payload }
}

/** @param status - From 400 on. @see Fabric's `shim.Error` */
export function failure(message: string, status = 500): Response {
  return { status, message, payload: new Uint8Array() }
}

/** Why the caller may not use a resource; undefined where it may. */
export function denial(access: AccessControl, resource: string, channelId: string, context: TransactionContext): string | undefined {
  const fault = access.check(resource, channelId, proposalSignedData(context.signedProposal, context.proposal.signature))
  return fault && (fault.detail ?? fault.fault)
}

/** The chaincode that the client asked for, whoever calls now. */
export function askedFor({ proposal }: TransactionContext): string {
  return proposal.invocation.chaincodeSpec?.chaincodeId?.name ?? ''
}

/** An argument as text. */
export function textOf(argument: Uint8Array | undefined): string {
  return new TextDecoder().decode(argument)
}

/** What an error says, for the client. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
