import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

const require = createRequire(import.meta.url)
const CLI = join(dirname(require.resolve('fabric-shim/package.json')), 'cli.js')
const CONTRACT = dirname(require.resolve('./contract/package.json'))

/** A process of `fabric-shim` with the test contract. */
export class ShimProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  /** When it has ended. */
  readonly ended: Promise<void>
  #heard: () => void = () => {}

  private constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const common = { PATH: process.env.PATH ?? '', CORE_CHAINCODE_LOGGING_LEVEL: 'DEBUG', CORE_PEER_LOCALMSPID: 'Org1MSP' }
    this.#child = spawn(process.execPath, [CLI, ...args, '--module-path', CONTRACT], { env: { ...common, ...env } })
    this.ended = once(this.#child, 'close').then(() => {})
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      if (output !== null) createInterface(output).on('line', (line) => this.#hear(line))
    }
    this.#child.once('close', (code) => this.#hear(`exited with ${code}`))
  }

  /** Dials a peer. */
  static dial(address: string, packageId: string, env: Readonly<Record<string, string>> = {}): ShimProcess {
    return new ShimProcess(['start', '--peer.address', address, '--chaincode-id-name', packageId], env)
  }

  /** Serves on a port of loopback. @param options - Of the command line. @returns Where. */
  static async serve(
    packageId: string,
    options: readonly string[] = [],
  ): Promise<{ readonly process: ShimProcess; readonly address: string }> {
    const shim = new ShimProcess(['server', '--chaincode-address=127.0.0.1:0', `--chaincode-id=${packageId}`, ...options], {})
    const [, bound = ''] = await shim.line(/successfully bound to (\d+)/)
    return { process: shim, address: `127.0.0.1:${bound}` }
  }

  /** Waits for a line that it prints, or has printed. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (let at = 0; ; at++) {
      while (at >= this.#lines.length) {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#heard = resolve
        await promise
      }
      const line = this.#lines[at] ?? ''
      const found = pattern.exec(line)
      if (found !== null) return found
      if (line.startsWith('exited with')) throw new Error(`fabric-shim has ended:\n${this.#lines.slice(-20).join('\n')}`)
    }
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #hear(line: string): void {
    this.#lines.push(line)
    this.#heard()
  }
}
