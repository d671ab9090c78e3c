import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startProcess } from './foreign-child.ts'
import type { DisconnectForm, ForeignEventOf, RawEvent } from './foreign-event.ts'
import { ForeignPeer, type ForeignPeerOptions, peerArguments } from './foreign-peer.ts'
import { goPeerProgram } from './go-build.ts'

/** What a raw Hello says. */
export interface RawHello {
  /** Default 5. Below 5 nothing is compressed. */
  readonly version?: number
  readonly client?: string
  readonly caps?: readonly { readonly name: string; readonly version: number }[]
  /** 128 hex digits; default: the connection's own key. */
  readonly nodeId?: string
  /** RLP items in hex, put behind the last field. */
  readonly extra?: readonly string[]
}

/** A raw payload: hex, or made from a seed. `snappy` overrules what both sides agreed to. */
export type RawPayload = { readonly snappy?: boolean } & ({ readonly hex: string } | { readonly size: number; readonly seed: number })

/** One connection of the raw level. Nothing is answered by itself, not even a ping. */
export class RawConnection {
  readonly conn: number
  readonly #peer: GoPeer

  /** @internal Use {@link GoPeer.rawDial} or {@link GoPeer.rawAccepted}. */
  constructor(peer: GoPeer, conn: number) {
    this.#peer = peer
    this.conn = conn
  }

  /** Says Hello, never compressed. */
  async hello(hello: RawHello = {}): Promise<void> {
    await this.#do('rlpx-hello', { ...hello })
  }

  /** @param code - With the offset: capabilities begin at 16. */
  async write(code: number, payload: RawPayload): Promise<void> {
    await this.#do('rlpx-write', { code, ...payload })
  }

  /** Base ping (`pong`: base pong) with an empty list. */
  async ping(): Promise<void> {
    await this.write(2, { hex: 'c0' })
  }

  async pong(): Promise<void> {
    await this.write(3, { hex: 'c0' })
  }

  /** Sends a disconnect; the connection stays open until the remote or {@link close} ends it. */
  async disconnect(reason: number, form: DisconnectForm = 'list', snappy?: boolean): Promise<void> {
    await this.#do('rlpx-disconnect', { reason, form, ...(snappy === undefined ? {} : { snappy }) })
  }

  /** Puts bytes on the socket behind the encryption's back: the next frame has a wrong MAC. */
  async bytes(hex: string): Promise<void> {
    await this.#do('rlpx-bytes', { hex })
  }

  /** Closes the socket without a word. */
  async close(): Promise<void> {
    await this.#do('rlpx-close', {})
  }

  /** The next event of this connection by that name. @throws Error on timeout, default 5000 ms. */
  async next<Name extends Exclude<RawEvent['event'], 'rlpx-refused'>>(name: Name, timeoutMs?: number): Promise<ForeignEventOf<Name>> {
    return await this.#peer.next(name, timeoutMs, (event) => 'conn' in event && event.conn === this.conn)
  }

  async #do(cmd: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#peer.command({ cmd, conn: this.conn, ...fields })
  }
}

/** go-ethereum's `p2p.Server`, and its `rlpx.Conn` for what the server would not do. */
export class GoPeer extends ForeignPeer {
  /** Connects and does the handshake; no Hello yet. @param key - Private key, 64 hex digits; default a fresh one. */
  async rawDial(enode: string, key?: string): Promise<RawConnection> {
    const reply = await this.command({ cmd: 'rlpx-dial', enode, ...(key === undefined ? {} : { key }) })
    return new RawConnection(this, Number(reply.conn))
  }

  /** Listens for raw connections until the peer is closed. @returns The enode to dial. */
  async rawListen(key?: string): Promise<string> {
    return String((await this.command({ cmd: 'rlpx-listen', ...(key === undefined ? {} : { key }) })).enode)
  }

  /** The next raw connection that was accepted, past its handshake. @throws Error on timeout, default 5000 ms. */
  async rawAccepted(timeoutMs?: number): Promise<RawConnection> {
    return new RawConnection(this, (await this.next('rlpx-accepted', timeoutMs)).conn)
  }
}

/** Starts a go-ethereum peer on 127.0.0.1. @returns Undefined where Go is not installed. */
export async function startGoPeer(options: ForeignPeerOptions = {}): Promise<GoPeer | undefined> {
  const program = await goPeerProgram()
  if (program === undefined) return undefined
  const { process: started, enode } = await startProcess(program, peerArguments(options))
  return new GoPeer(started, enode)
}

/** The benchmark's figures: handshakes with Hello, and random messages one way with snappy. */
export type GoFigure = 'handshake' | 'msg-32' | 'msg-1k' | 'msg-64k'

/** Both ends in one process on one core. Seconds of CPU are user and system time; MB are 10⁶ bytes of payload. */
export interface GoRates {
  readonly perCpuSecond: number
  readonly perSecond: number
  readonly mbPerCpuSecond: number
}

/** What the benchmark prints. */
export interface GoBench {
  readonly secp256k1: string
  readonly go: string
  readonly goEthereum: string
  readonly ms: number
  readonly figures: Readonly<Partial<Record<GoFigure, GoRates>>>
}

/**
 * Measures go-ethereum's `rlpx.Conn`.
 *
 * @param figure - Undefined: all.
 * @param durationMs - For each figure.
 * @returns Undefined where Go is not installed.
 */
export async function runGoBench(figure: GoFigure | undefined, durationMs: number): Promise<GoBench | undefined> {
  const program = await goPeerProgram()
  if (program === undefined) return undefined
  const args = ['-bench', '-ms', String(durationMs), ...(figure === undefined ? [] : ['-figure', figure])]
  const { stdout } = await promisify(execFile)(program, args)
  return JSON.parse(stdout) as GoBench
}
