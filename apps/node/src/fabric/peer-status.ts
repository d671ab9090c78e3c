import type { CoreConfig } from './core-config.ts'
import { askOperations } from './operations-client.ts'

/** What a peer's operations server tells of it. */
export interface PeerStatus {
  /** Fabric's words. `UNKNOWN`: nobody answers. `ERROR`: a part is not well. */
  readonly state: 'STARTED' | 'ERROR' | 'UNKNOWN'
  readonly failed: readonly FailedPart[]
}

/** What is wrong with a part. */
export interface FailedPart {
  readonly component: string
  readonly reason: string
}

/** Asks the operations server that `core.yaml` names. It does not throw where nobody answers. @throws KumikoError `node/unreadable-file`. */
export async function peerStatus(core: CoreConfig): Promise<PeerStatus> {
  const { text } = await askOperations(core, 'GET', '/healthz').catch(() => ({ text: '' }))
  const failed = failedIn(text)
  return failed === undefined ? { state: 'UNKNOWN', failed: [] } : { state: failed.length === 0 ? 'STARTED' : 'ERROR', failed }
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
