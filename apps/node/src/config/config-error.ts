import { KumikoError } from '@kumiko/interface'

/** One thing that is wrong in the configuration. */
export interface ConfigFault {
  /** Where it was given: `kumiko.yaml:3`, `KUMIKO_MAX_PEERS`, `--max-peers`. */
  readonly origin: string
  /** `libp2p.listen[0]`; empty for the whole. */
  readonly path: string
  readonly message: string
  /** The command line itself is wrong: a number out of range, say. */
  readonly isUsage: boolean
}

/** All that is wrong in the configuration, code `node/bad-config`. */
export class ConfigError extends KumikoError {
  /** At least one. */
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    super('node/bad-config', faults.map(lineOf).join('\n'), { context: { faults } })
    this.faults = faults
  }

  /** A line each. */
  get lines(): string[] {
    return this.faults.map(lineOf)
  }

  /** Nothing but the command line is wrong. */
  get isUsage(): boolean {
    return this.faults.every((fault) => fault.isUsage)
  }
}

function lineOf({ origin, path, message }: ConfigFault): string {
  return [origin, path, message].filter((part) => part !== '').join(': ')
}
