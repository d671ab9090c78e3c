import { type BoundMethod, RpcError, RpcStatus, serve, type UnaryHandler } from '@kumiko/fabric-grpc'
import type { Msp } from '@kumiko/fabric-msp'
import { type Envelope, envelopeSignedData, readHeader, readPayload, type SignedData } from '@kumiko/fabric-protocol'
import { type Clock, isFault, systemClock } from '@kumiko/interface'
import { ADMIN, AdminOperation, type ModuleLogLevel, type ServerStatus } from './admin-messages.ts'

/** What an administrator may change of a node's log. `Logging` of `@kumiko/operations` has the first two. */
export interface AdminLogs {
  /** As `gossip=debug:info`. */
  readonly spec: string
  /** @returns Why a specification is none. */
  activate(spec: string): string | undefined
  /** From which level on a module's entries are written. */
  levelOf(module: string): string
}

/** What an administration service is made of. */
export interface AdminServiceOptions {
  /** Whose administrators may. */
  readonly localMsp: Msp
  readonly logs: AdminLogs
  /** Default: the system's. */
  readonly clock?: Clock
}

const PEER_ADMIN_OPERATION = 8
const TIME_WINDOW_MS = 900_000
const STARTED = { status: 1 }

/**
 * The administration service of Fabric 1.4, `protos.Admin`, for tools of that time: status and log levels. Later peers have the operations
 * service in its place.
 * @see Fabric v1.4.0 `core/admin/admin.go`, `validate.go`
 */
export function adminService({ localMsp, logs, clock = systemClock }: AdminServiceOptions): BoundMethod[] {
  const open = (envelope: Envelope): AdminOperation => openOperation(envelope, localMsp, clock)
  const specAtStart = logs.spec
  const status: UnaryHandler<Envelope, ServerStatus> = async (envelope) => {
    open(envelope)
    return STARTED
  }
  return [
    serve(ADMIN.getStatus, status),
    serve(ADMIN.startServer, status),
    serve(ADMIN.getModuleLogLevel, async (envelope) => {
      const { logModule } = required(open(envelope).logLevel)
      return { logModule, logLevel: logs.levelOf(logModule) }
    }),
    serve(ADMIN.setModuleLogLevel, async (envelope) => setLevel(logs, required(open(envelope).logLevel))),
    serve(ADMIN.revertLogLevels, async (envelope) => {
      open(envelope)
      logs.activate(specAtStart)
      return {}
    }),
    serve(ADMIN.getLogSpec, async (envelope) => {
      open(envelope)
      return { logSpec: logs.spec, error: '' }
    }),
    serve(ADMIN.setLogSpec, async (envelope) => {
      const { logSpec } = required(open(envelope).logSpec)
      return { logSpec, error: logs.activate(logSpec) ?? '' }
    }),
  ]
}

function setLevel(logs: AdminLogs, { logModule, logLevel }: ModuleLogLevel): ModuleLogLevel {
  const spec = `${logs.spec}:${logModule}=${logLevel}`
  const refused = logs.activate(spec)
  if (refused !== undefined) throw new RpcError(RpcStatus.invalidArgument, `error setting log spec to '${spec}': ${refused}`)
  return { logModule, logLevel: logLevel.toUpperCase() }
}

/** @throws Error as Fabric tells it: status UNKNOWN. */
function openOperation(envelope: Envelope, localMsp: Msp, clock: Clock): AdminOperation {
  const payload = readPayload(envelope.payload)
  const header = isFault(payload) ? payload : readHeader(payload)
  if (isFault(payload) || isFault(header)) throw new Error(`bad request: ${isFault(header) ? header.detail : ''}`)
  const { type, timestamp } = header.channel
  if (type !== PEER_ADMIN_OPERATION) throw new Error(`bad request: invalid type ${type}, expected PEER_ADMIN_OPERATION`)
  const operation = AdminOperation.decode(payload.data)
  if (isFault(operation)) throw new Error(`bad request: ${operation.detail}`)
  if (timestamp === undefined) throw new Error('empty timestamp')
  const apartMs = Math.abs(Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6 - clock.now())
  if (apartMs > TIME_WINDOW_MS || !isAdmin(localMsp, envelopeSignedData(envelope, header))) throw new Error('access denied')
  return operation
}

function isAdmin(msp: Msp, { identity, message, signature }: SignedData): boolean {
  const member = msp.deserialize(identity)
  if (isFault(member) || !member.satisfies({ kind: 'role', mspId: msp.mspId, role: 'admin' })) return false
  return member.verify(message, signature)
}

function required<T>(request: T | undefined): T {
  if (request === undefined) throw new Error('request is nil')
  return request
}
