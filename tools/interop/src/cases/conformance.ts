import type { DiscoveryProtocol } from '@kumiko/interface'
import type { Case } from '../case.ts'
import { runSuite, suiteTests, type TestResult } from '../conformance.ts'
import { withoutSuites } from '../go-build.ts'
import { startOurNode } from '../our-node.ts'

/** How much of a failed test's log is told, from its end. */
const LOG_LINES = 8

const PROTOCOLS: readonly DiscoveryProtocol[] = ['discv4', 'discv5']

/** go-ethereum's conformance suites against our node: a case for each test, all of one run. */
export const conformanceCases: readonly Case[] = PROTOCOLS.flatMap((protocol) =>
  suiteTests[protocol].map((name) => ({
    name: `go suite → kumiko: ${protocol} ${name}`,
    prepare: async () => (await withoutSuites()) ?? (await runs().then(() => undefined)),
    run: async () => {
      const result = (await runs())[protocol].find((each) => each.name === name)
      if (result?.ok !== true) throw new Error(result?.log.slice(-LOG_LINES).join('\n') || 'failed without a word')
      return undefined
    },
  })),
)

let results: Promise<Readonly<Record<DiscoveryProtocol, readonly TestResult[]>>> | undefined

function runs(): Promise<Readonly<Record<DiscoveryProtocol, readonly TestResult[]>>> {
  results ??= runSuites()
  return results
}

/** Both at the same time, against one node with both protocols on one socket. */
async function runSuites(): Promise<Readonly<Record<DiscoveryProtocol, readonly TestResult[]>>> {
  await using node = await startOurNode()
  const [v4, v5] = await Promise.all([runSuite('discv4', node), runSuite('discv5', node)])
  return { discv4: v4, discv5: v5 }
}
