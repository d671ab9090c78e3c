import { deepEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { DiscoveryProtocol } from '@kumiko/interface'
import { trackChild } from './foreign-child.ts'
import type { AnyNode } from './foreign-node.ts'
import { devp2pProgram, NO_GO } from './go-build.ts'

/** How a test of a suite ended, and what it said. */
export interface TestResult {
  readonly name: string
  readonly ok: boolean
  /** Its log, a line each. */
  readonly log: readonly string[]
}

/** The tests of go-ethereum's conformance suites, as they are in the release that `go/go.mod` names. */
export const suiteTests: Readonly<Record<DiscoveryProtocol, readonly string[]>> = {
  discv4: [
    'Ping/Basic',
    'Ping/WrongTo',
    'Ping/WrongFrom',
    'Ping/ExtraData',
    'Ping/ExtraDataWrongFrom',
    'Ping/PastExpiration',
    'Ping/WrongPacketType',
    'Ping/BondThenPingWithWrongFrom',
    'ENRRequest',
    'Findnode/WithoutEndpointProof',
    'Findnode/BasicFindnode',
    'Findnode/UnsolicitedNeighbors',
    'Findnode/PastExpiration',
    'Amplification/InvalidPongHash',
    'Amplification/WrongIP',
  ],
  discv5: [
    'Ping',
    'PingLargeRequestID',
    'PingMultiIP',
    'HandshakeResend',
    'TalkRequest',
    'FindnodeWrongIP',
    'FindnodeHandshake',
    'FindnodeZeroDistance',
    'FindnodeResults',
    'UnsolicitedNodes',
  ],
}

/**
 * Runs go-ethereum's suite of a protocol against a node, from 127.0.0.1 and 127.0.0.2.
 *
 * @param tests - Those to run. Default all, and an error where the suite has others than {@link suiteTests}.
 * @returns A result for each test, in the order of the suite.
 * @throws Error where the program fails otherwise than by failing tests.
 */
export async function runSuite(
  protocol: DiscoveryProtocol,
  node: Pick<AnyNode, 'enode' | 'record'>,
  tests?: readonly string[],
): Promise<TestResult[]> {
  const program = await devp2pProgram()
  if (program === undefined) throw new Error(NO_GO)
  const target = protocol === 'discv4' ? ['--remote', node.enode] : [node.record ?? '']
  const pattern = tests === undefined ? [] : ['--run', `^(${tests.join('|')})$`]
  const child = spawn(program, [protocol, 'test', '--tap', '--listen1', '127.0.0.1', '--listen2', '127.0.0.2', ...pattern, ...target])
  trackChild(child)
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject))
  const [output, errors] = await Promise.race([Promise.all([text(child.stdout), text(child.stderr)]), failed])
  const results = parseTap(output)
  if (results === undefined) throw new Error(`devp2p ${protocol} test: ${errors || output}`)
  deepEqual(
    results.map(({ name }) => name),
    tests ?? suiteTests[protocol],
  )
  return results
}

/** Reads the Test Anything Protocol as that program writes it. @returns Undefined where it is not whole. */
export function parseTap(text: string): TestResult[] | undefined {
  const lines = text.split('\n')
  const planned = /^1\.\.(\d+)$/.exec(lines[0] ?? '')?.[1]
  const results: { name: string; ok: boolean; log: string[] }[] = []
  for (const line of lines.slice(1)) {
    const [, verdict, name] = /^(ok|not ok) \d+ (.+)$/.exec(line) ?? []
    if (name !== undefined) results.push({ name, ok: verdict === 'ok', log: [] })
    else if (line.startsWith('# ')) results.at(-1)?.log.push(line.slice(2))
  }
  return results.length === Number(planned) ? results : undefined
}
