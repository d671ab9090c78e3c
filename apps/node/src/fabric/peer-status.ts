import { KumikoError } from '@kumiko/interface'
import type { CoreConfig } from './core-config.ts'
import { askOperations } from './operations-client.ts'

/** What a peer's operations server tells of it. */
export interface PeerStatus {
  /** Fabric's words. `UNKNOWN`: nobody answers. `ERROR`: a part is not well. */
  readonly state: 'STARTED' | 'ERROR' | 'UNKNOWN'
  readonly failed: readonly FailedPart[]
  /** Why it is unknown, with the address that was asked. */
  readonly why?: string
}

/** What is wrong with a part. */
export interface FailedPart {
  readonly component: string
  readonly reason: string
}

/** Asks the operations server that `core.yaml` names. It does not throw where nobody answers. @throws KumikoError `node/unreadable-file`. */
export async function peerStatus(core: CoreConfig): Promise<PeerStatus> {
  try {
    const { text } = await askOperations(core, 'GET', '/healthz')
    const failed = failedIn(text)
    if (failed !== undefined) return { state: failed.length === 0 ? 'STARTED' : 'ERROR', failed }
    const why = `what answers at ${core['operations.listenAddress']} is no peer: see that operations.listenAddress is right`
    return { state: 'UNKNOWN', failed: [], why }
  } catch (error) {
    if (!(error instanceof KumikoError) || error.code !== 'node/unreachable') throw error
    return { state: 'UNKNOWN', failed: [], why: error.message }
  }
}

function failedIn(text: string): readonly FailedPart[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('status' in value)) return
    const checks: unknown = 'failed_checks' in value ? value.failed_checks : []
    return Array.isArray(checks) ? checks.map(failedPart) : undefined
  } catch {
    return
  }
}

function failedPart(value: unknown): FailedPart {
  const text = (name: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof found === 'string' ? found : ''
  }
  return { component: text('component'), reason: text('reason') }
}
