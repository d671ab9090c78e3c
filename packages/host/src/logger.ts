import type { ComponentLogger, Logger } from '@libp2p/interface'
import { enabled, logger } from '@libp2p/logger'

/**
 * js-libp2p's logger (`DEBUG=libp2p:*`, `enable('…')`), made only once something is to be written: modules make one for each connection and
 * each stream, and it is larger than either, and slower to make.
 */
export function lazyLogger(): ComponentLogger {
  return { forComponent: (name) => lazy(name) }
}

/** Where a logger answers whether it is enabled: on what all of them share. */
const shared: object = Object.create(Function.prototype, {
  enabled: {
    get(this: { readonly scope: string }): boolean {
      return enabled(this.scope)
    },
  },
})

function lazy(scope: string): Logger {
  let made: Logger | undefined
  let [errorScope, traceScope] = ['', '']
  const real = (): Logger => {
    made ??= logger(scope)
    return made
  }
  const log = (format: unknown, ...args: unknown[]): void => {
    if (enabled(scope)) real()(format, ...args)
  }
  log.scope = scope
  log.error = (format: unknown, ...args: unknown[]): void => {
    errorScope ||= `${scope}:error`
    if (enabled(errorScope)) real().error(format, ...args)
  }
  log.trace = (format: unknown, ...args: unknown[]): void => {
    traceScope ||= `${scope}:trace`
    if (enabled(traceScope)) real().trace(format, ...args)
  }
  log.newScope = (name: string): Logger => lazy(`${scope}:${name}`)
  return Object.setPrototypeOf(log, shared)
}
