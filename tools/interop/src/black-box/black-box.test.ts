import { expect, test } from 'vitest'
import type { Target } from './bench.ts'
import { chainsafeTarget } from './chainsafe-target.ts'
import { type Check, type RunOptions, runChecks, type Verdict } from './check.ts'
import { discv4Checks, lowSocket } from './discv4-checks.ts'
import { discv5Checks } from './discv5-checks.ts'
import { ejsTarget } from './ejs-target.ts'
import { ourTarget } from './our-target.ts'
import { sharedSocketChecks } from './shared-socket-checks.ts'
import { TesterSocket } from './tester-socket.ts'

/** The suites mostly wait: they run side by side, and each may take this long on a busy machine. */
const TIMEOUT_MS = 240_000

/** Runs a suite and gives what failed, by name. */
async function failuresOf(checks: readonly Check[], target: Target, options: Partial<RunOptions> = {}): Promise<Record<string, string>> {
  const verdicts: Verdict[] = await runChecks(checks, target, { seed: 'black-box', ...options })
  expect(verdicts.map(({ name }) => name)).toEqual(checks.map(({ name }) => name))
  return Object.fromEntries(verdicts.filter(({ ok }) => !ok).map(({ name, why = '' }) => [name, why]))
}

test.concurrent('our discv4 does all of it', { timeout: TIMEOUT_MS }, async () => {
  expect(await failuresOf(discv4Checks, ourTarget)).toEqual({})
})

test.concurrent('our discv5 does all of it', { timeout: TIMEOUT_MS }, async () => {
  expect(await failuresOf(discv5Checks, ourTarget)).toEqual({})
})

test.concurrent('both of ours do, on one socket', { timeout: TIMEOUT_MS }, async () => {
  expect(await failuresOf(sharedSocketChecks, ourTarget)).toEqual({})
})

/** Whether the system lets the tester listen below port 1024: else it cannot see what is sent there. */
async function mayHaveLowPorts(): Promise<boolean> {
  const socket = await lowSocket({ socket: (ip = '127.0.0.1', port) => TesterSocket.bind(ip, port) })
  await socket?.close()
  return socket !== undefined
}

// That the suites can fail. Each reason tells what the other library does: read its source before you change a line here.

test.concurrent('what @ethereumjs/devp2p fails', { timeout: TIMEOUT_MS }, async () => {
  expect(await failuresOf(discv4Checks, ejsTarget)).toEqual({
    // It pings back to the `from` of a ping, and not to where the ping came from.
    'Ping/WrongFrom': 'want PONG and PING, got PONG',
    'Ping/ExtraDataWrongFrom': 'want PONG and PING, got PONG',
    'Ping/MappedAddresses': 'want PONG and PING, got PONG',
    // A type that its decoder does not know.
    ENRRequest: 'want ENRRESPONSE next, got nothing',
    // It answers whoever asks: it knows no endpoint proof.
    'Findnode/WithoutEndpointProof': 'got NEIGHBORS',
    'Amplification/InvalidPongHash': 'got NEIGHBORS',
    'Amplification/WrongIP': 'want silence, got NEIGHBORS',
    'Amplification/WrongIPOfAnother': 'want silence, got NEIGHBORS',
    // It reads the expiration of a ping, and does not compare it with the time. An expiration of 8 bytes it cannot read, hence 'Ping/PastExpiration' passes.
    'Ping/Expired': 'want silence, got PONG, PING',
    'Packet/TooLarge': 'want silence, got PONG, PING',
    // It pings all nodes of any NEIGHBORS, asked for or not, wherever they are said to be.
    'Neighbors/UnsolicitedNotContacted': 'a node that nobody had asked for was contacted',
    ...((await mayHaveLowPorts()) ? { 'Neighbors/LowPorts': expect.stringMatching(/^it has sent to port 10\d\d$/) } : {}),
    // 16 neighbors in one packet.
    'Findnode/SplitNeighbors': expect.stringMatching(/^a packet of 1[3-5]\d\d bytes$/),
  })
})

test.concurrent('what @chainsafe/discv5 fails', { timeout: TIMEOUT_MS }, async () => {
  // It pings back only after 300 s, whereas five seconds tell the same.
  expect(await failuresOf(discv5Checks, chainsafeTarget, { patienceMs: 5000 })).toEqual({
    // Request ids are big integers to it, of any length.
    PingLargeRequestID: 'message type 2 with a bad request id',
    // While a challenge is under way it sends none at all: one lost WHOAREYOU costs two seconds.
    HandshakeResend: 'want WHOAREYOU next, got nothing',
    // It emits an event, and who does not listen does not answer.
    TalkRequest: 'want TALKRESP, got nothing',
    FindnodeResults: 'waited 5000 ms for 5 nodes to be pinged, 0 were',
  })
})
