import { type Fault, KumikoError } from '@kumiko/interface'

/** A failure that says nothing of a transaction: the channel halts on it, and no transaction is judged by it. */
export function cannotValidate(what: string, fault: Fault, context: Readonly<Record<string, unknown>>): KumikoError {
  const message = `cannot validate: ${what} (${fault.fault}${fault.detail === undefined ? '' : `: ${fault.detail}`})`
  return new KumikoError('fabric-committer/cannot-validate', message, { context: { ...context, fault: fault.fault } })
}
