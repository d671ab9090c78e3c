import type { DiscoveryProtocol } from '@kumiko/interface'
import type { Target } from '../black-box/bench.ts'
import { type Check, runChecks } from '../black-box/check.ts'
import { discv4Checks } from '../black-box/discv4-checks.ts'
import { discv5Checks } from '../black-box/discv5-checks.ts'
import { sharedSocketChecks } from '../black-box/shared-socket-checks.ts'
import type { Case } from '../case.ts'
import { startGoNode } from '../foreign-nodes.ts'
import { withoutGo } from '../go-build.ts'

/** It checks the nodes that it knows so often, not each 3 s: what the suites wait for comes sooner. */
const PING_MS = 300

/** It pings when it likes, also where a check wants the next packet to be an answer: such a check is made again. */
const ATTEMPTS = 3

/** Our own suites of discovery against go-ethereum: what that does not do, nobody need. Against others they run in `npm test`. */
export const blackBoxCases: readonly Case[] = [
  suiteCase('discv4', discv4Checks, ['discv4']),
  suiteCase('discv5', discv5Checks, ['discv5']),
  suiteCase('discv4 and discv5 on one socket', sharedSocketChecks, ['discv4', 'discv5']),
]

function suiteCase(what: string, checks: readonly Check[], protocols: readonly DiscoveryProtocol[]): Case {
  const target: Target = { start: (bootnodes) => startGoNode({ bootnodes, protocols, pingMs: PING_MS }) }
  return {
    name: `kumiko suite → go: ${what}`,
    prepare: withoutGo,
    deadlineMs: 240_000,
    async run() {
      let left = checks
      let failed: readonly string[] = []
      for (let attempt = 0; attempt < ATTEMPTS && left.length > 0; attempt++) {
        const verdicts = (await runChecks(left, target, { seed: `go ${attempt}` })).filter(({ ok }) => !ok)
        failed = verdicts.map(({ name, why }) => `${name}: ${why}`)
        left = left.filter(({ name }) => verdicts.some((verdict) => verdict.name === name))
      }
      if (failed.length > 0) throw new Error(failed.join('\n'))
      return undefined
    },
  }
}
