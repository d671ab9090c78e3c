/** How weighty a log entry is, from the least on. Fabric's names, which are zap's. */
export const LOG_LEVELS = ['payload', 'debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal'] as const

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Which entries are written, by the name of the module that they are of. */
export interface LogSpec {
  /** Of modules that are not named. */
  readonly defaultLevel: LogLevel
  /** By name. A name holds for what is below it, too (`a` for `a.b`); one that ends with a dot for itself alone. */
  readonly levels: ReadonlyMap<string, LogLevel>
}

/** A text that is no spec. Fabric's words in the detail. */
export interface LogSpecFault {
  readonly fault: 'operations/bad-log-spec'
  readonly detail: string
}

/** No spec is longer, in characters. */
export const LOG_SPEC_MAX = 16_384

const OTHER_NAMES: ReadonlyMap<string, LogLevel> = new Map([
  ['warning', 'warn'],
  ['notice', 'info'],
  ['critical', 'error'],
])

const MODULE = /^[A-Za-z0-9_#:-]+(\.[A-Za-z0-9_#:-]+)*$/

/**
 * Reads `module,module=level:module=level:level`. The level without a module is of all others; where there is none, `info`.
 * @see Fabric `fabric-lib-go/common/flogging/loggerlevels.go` ActivateSpec
 */
export function parseLogSpec(text: string): LogSpec | LogSpecFault {
  if (text.length > LOG_SPEC_MAX) return { fault: 'operations/bad-log-spec', detail: `logging specification longer than ${LOG_SPEC_MAX}` }
  const bad = (why: string): LogSpecFault => ({
    fault: 'operations/bad-log-spec',
    detail: `invalid logging specification '${text}': ${why}`,
  })
  let defaultLevel: LogLevel = 'info'
  const levels = new Map<string, LogLevel>()
  for (const field of text.split(':')) {
    const [first = '', second, ...more] = field.split('=')
    const level = levelNamed(second ?? first)
    if (more.length > 0) return bad(`bad segment '${field}'`)
    if (second !== undefined && first === '') return bad(`no logger specified in segment '${field}'`)
    if (level === undefined && field !== '') return bad(`bad segment '${field}'`)
    if (second === undefined) defaultLevel = level ?? 'info'
    else {
      for (const module of first.split(',')) {
        if (!MODULE.test(module.replace(/\.$/, ''))) return bad(`bad logger name '${module}'`)
        levels.set(module, level ?? 'info')
      }
    }
  }
  return { defaultLevel, levels }
}

/** The same spec in one order: modules by name, the default last. */
export function printLogSpec({ defaultLevel, levels }: LogSpec): string {
  return [...[...levels].map(([module, level]) => `${module}=${level}`).sort(), defaultLevel].join(':')
}

/** From which level on a module's entries are written. @param module - `gossip.comm`. */
export function levelOf(module: string, { defaultLevel, levels }: LogSpec): LogLevel {
  for (let candidate = `${module}.`; ; ) {
    const level = levels.get(candidate)
    if (level !== undefined) return level
    const dot = candidate.lastIndexOf('.')
    if (dot <= 0) return defaultLevel
    candidate = candidate.slice(0, dot)
  }
}

/** Whether entries of a level are written where the level of their module is another. */
export function isWritten(level: LogLevel, from: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(from)
}

function levelNamed(name: string): LogLevel | undefined {
  // Go knows each name in lower and in upper case, and not mixed.
  const lower = name.toLowerCase()
  if (name !== lower && name !== name.toUpperCase()) return
  return LOG_LEVELS.find((level) => level === lower) ?? OTHER_NAMES.get(lower)
}
