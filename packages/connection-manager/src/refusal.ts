import type { DisconnectReason, Refusal } from '@kumiko/interface'

/** Makes a refusal; `what` becomes `connection-manager/what`. */
export function refuse(reason: DisconnectReason, what: string, detail: string): Refusal {
  return { reason, code: `connection-manager/${what}`, detail }
}
