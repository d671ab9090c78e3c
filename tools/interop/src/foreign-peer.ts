import { ForeignChild, type ForeignProcess } from './foreign-child.ts'

/** Message codes that every capability of a foreign peer serves; other codes are reported only. */
export const ECHO = 0
/** What {@link ECHO} is answered with, where the capability has that code: the same payload. */
export const ECHOED = 1
/** Counted only, see {@link ForeignPeer.stats}. */
export const SINK = 2

/** How to start a peer of another implementation. */
export interface ForeignPeerOptions {
  /** Default one: `kecho/1`, length 4. */
  readonly capabilities?: readonly { readonly name: string; readonly version: number; readonly length: number }[]
  /** Private key, 64 hex digits. Default: a fresh one. */
  readonly key?: string
  /** Default 50. */
  readonly maxPeers?: number
  /** Its name in Hello. */
  readonly client?: string
}

/** What to send. Payloads are made by {@link payload} on both sides. */
export interface SendOptions {
  readonly cap: string
  readonly code: number
  /** Bytes. */
  readonly size: number
  /** Default 0. */
  readonly seed?: number
  /** How many, with seeds `seed`, `seed + 1`, … Default 1. */
  readonly count?: number
  /** To whom; default: any one. */
  readonly peer?: string
}

/** An RLPx peer of another implementation. */
export class ForeignPeer extends ForeignChild {
  /** `enode://…@127.0.0.1:port`. */
  readonly enode: string

  /** @internal Use `startGoPeer` or `startEjsPeer`. */
  constructor(process: ForeignProcess, enode: string) {
    super(process)
    this.enode = enode
  }

  /** Public key as in enode URLs: 128 hex digits. */
  get id(): string {
    return this.enode.slice('enode://'.length, 'enode://'.length + 128)
  }

  /** Connects. Resolves when the peer is added, with its id. @throws ForeignError where it is refused. */
  async dial(enode: string): Promise<string> {
    return String((await this.command({ cmd: 'dial', enode })).peer)
  }

  /** Resolves when all is handed to the socket. @throws ForeignError where there is no such peer. */
  async send(options: SendOptions): Promise<void> {
    await this.command({ cmd: 'send', ...options })
  }

  /** Disconnects one peer (default: any one) with that reason number. Wait for `dropped` to know that it is done. */
  async disconnect(reason: number, peer?: string): Promise<void> {
    await this.command({ cmd: 'disconnect', reason, ...(peer === undefined ? {} : { peer }) })
  }

  /** Connected peers, as the implementation describes them. */
  async peers(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.command({ cmd: 'peers' })).peers as Readonly<Record<string, unknown>>[]
  }

  /** {@link SINK} messages received so far, by capability. */
  async stats(): Promise<Readonly<Record<string, { readonly count: number; readonly bytes: number }>>> {
    return (await this.command({ cmd: 'stats' })).sunk as Record<string, { count: number; bytes: number }>
  }
}

/** Command-line arguments that both RLPx peers understand. */
export function peerArguments(options: ForeignPeerOptions): string[] {
  const capabilities = options.capabilities ?? [{ name: 'kecho', version: 1, length: 4 }]
  return [
    '-caps',
    capabilities.map(({ name, version, length }) => `${name}/${version}/${length}`).join(','),
    ...(options.key === undefined ? [] : ['-key', options.key]),
    ...(options.maxPeers === undefined ? [] : ['-max-peers', String(options.maxPeers)]),
    ...(options.client === undefined ? [] : ['-client', options.client]),
  ]
}
