import { type UnaryMethod, unary } from '@kumiko/fabric-grpc'
import { Envelope, int32, type Message, message, nested, oneOf, string } from '@kumiko/fabric-protocol'

/** `protos.ServerStatus`. */
export interface ServerStatus {
  /** 1 STARTED, 2 STOPPED, 3 PAUSED, 4 ERROR, 5 UNKNOWN. */
  readonly status: number
}

/** `protos.LogLevelRequest` and `protos.LogLevelResponse`. */
export interface ModuleLogLevel {
  readonly logModule: string
  readonly logLevel: string
}

/** `protos.LogSpecResponse`. */
export interface LogSpecResponse {
  readonly logSpec: string
  /** Why a specification was refused; empty where it was not. */
  readonly error: string
}

/** What an administrator's envelope holds, of type 8 PEER_ADMIN_OPERATION. `protos.AdminOperation`. */
export interface AdminOperation {
  readonly logLevel: ModuleLogLevel | undefined
  readonly logSpec: { readonly logSpec: string } | undefined
}

const ServerStatus: Message<ServerStatus> = message<ServerStatus>('protos.ServerStatus', { status: int32(1) })
const ModuleLogLevel: Message<ModuleLogLevel> = message<ModuleLogLevel>('protos.LogLevelResponse', {
  logModule: string(1),
  logLevel: string(2),
})
const LogSpecRequest: Message<{ readonly logSpec: string }> = message<{ readonly logSpec: string }>('protos.LogSpecRequest', {
  logSpec: string(1),
})
const LogSpecResponse: Message<LogSpecResponse> = message<LogSpecResponse>('protos.LogSpecResponse', {
  logSpec: string(1),
  error: string(2),
})
const Empty: Message<object> = message<object>('google.protobuf.Empty', {})

/** `protos.AdminOperation`. */
export const AdminOperation: Message<AdminOperation> = message<AdminOperation>('protos.AdminOperation', {
  logLevel: oneOf(
    'content',
    nested(1, () => ModuleLogLevel),
  ),
  logSpec: oneOf(
    'content',
    nested(2, () => LogSpecRequest),
  ),
})

/** The methods of `protos.Admin`, as Fabric 1.4 has them. */
export const ADMIN: {
  readonly getStatus: UnaryMethod<Envelope, ServerStatus>
  readonly startServer: UnaryMethod<Envelope, ServerStatus>
  readonly getModuleLogLevel: UnaryMethod<Envelope, ModuleLogLevel>
  readonly setModuleLogLevel: UnaryMethod<Envelope, ModuleLogLevel>
  readonly revertLogLevels: UnaryMethod<Envelope, object>
  readonly getLogSpec: UnaryMethod<Envelope, LogSpecResponse>
  readonly setLogSpec: UnaryMethod<Envelope, LogSpecResponse>
} = {
  getStatus: unary('/protos.Admin/GetStatus', Envelope, ServerStatus),
  startServer: unary('/protos.Admin/StartServer', Envelope, ServerStatus),
  getModuleLogLevel: unary('/protos.Admin/GetModuleLogLevel', Envelope, ModuleLogLevel),
  setModuleLogLevel: unary('/protos.Admin/SetModuleLogLevel', Envelope, ModuleLogLevel),
  revertLogLevels: unary('/protos.Admin/RevertLogLevels', Envelope, Empty),
  getLogSpec: unary('/protos.Admin/GetLogSpec', Envelope, LogSpecResponse),
  setLogSpec: unary('/protos.Admin/SetLogSpec', Envelope, LogSpecResponse),
}
