import { sleep, systemClock } from '@kumiko/interface'
import { printable, stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import { z } from 'zod'
import { addConfigFlags, configSources } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import { callNode } from '../control/client.ts'
import { listing, type Output } from '../output.ts'
import { positiveNumber, wholeNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** Between two pings. */
const PING_PAUSE_MS = 1_000

/** What an answer of the node must be to be shown. */
const identity = z.record(z.string(), z.unknown())
const peers = z.array(
  z.object({
    peerId: z.string(),
    agent: z.string().optional(),
    connections: z.array(z.object({ stack: z.string(), direction: z.string(), address: z.string() })),
    protocols: z.array(z.string()),
  }),
)
const dialed = z.object({ peerId: z.string(), address: z.string(), encryption: z.string().optional(), ms: z.number() })
const pong = z.object({ ms: z.number() })
const provided = z.object({ cid: z.string() })
const found = z.object({ peerId: z.string(), addresses: z.array(z.string()) })
const search = z.object({ cid: z.string(), found: z.number() })

/** `kumiko p2p …`: asks the node that runs on a data folder. */
export function addP2pCommand(program: Command): void {
  const p2p = program.command('p2p').description('Ask a running node of its peers, and have it dial, ping, and search the DHT.')
  addId(p2p)
  addPeers(p2p)
  addDial(p2p)
  addPing(p2p)
  addDht(p2p)
  examples(p2p, ['kumiko p2p peers --data-dir ./data', 'kumiko p2p ping /ip4/127.0.0.1/tcp/4001/p2p/12D3… --data-dir ./data'])
}

/** What a command has while it runs. */
interface Asking {
  readonly output: Output
  readonly signal: AbortSignal
  readonly isStopped: () => boolean
  call(method: string, params?: Readonly<Record<string, unknown>>, onValue?: (value: unknown) => void): Promise<unknown>
}

async function asking(self: Command, work: (asking: Asking) => Promise<void>): Promise<void> {
  const { config } = await loadConfig(configSources(self, process.env))
  const output = outputOf(self)
  using stop = stopSignal(output.closed)
  const { signal } = stop
  const call: Asking['call'] = async (method, params = {}, onValue = () => {}) =>
    await callNode(config.dataDir, method, params, { onValue, signal })
  try {
    await work({ output, signal, isStopped: () => signal.aborted, call })
  } catch (error) {
    // What was asked for is ended by ctrl-C.
    if (!signal.aborted) throw error
  }
}

function command(parent: Command, name: string): Command {
  return addConfigFlags(parent.command(name), ['dataDir'], { dataDir: "the running node's folder; default: ~/.kumiko" })
}

function timed(command_: Command): Command {
  return command_.option('--timeout <seconds>', 'give up after this time', positiveNumber(3_600), 60)
}

function addId(p2p: Command): void {
  const id = command(p2p, 'id')
    .description('Who the node is, and what it tells others of itself.')
    .action(async (_options: unknown, self: Command) => {
      await asking(self, async ({ output, call }) => {
        const fields = identity.parse(await call('p2p_id'))
        report(
          output,
          fields,
          listing(Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, printable(String(one))] as const))),
        )
      })
    })
  examples(id, ['kumiko p2p id --data-dir ./data', 'kumiko p2p id --json'])
}

function addPeers(p2p: Command): void {
  const command_ = command(p2p, 'peers')
    .description('The peers that the node is connected to, oldest first.')
    .option('--protocols', 'what each of them serves, as well')
    .action(async ({ protocols: isLong = false }: { protocols?: boolean }, self: Command) => {
      await asking(self, async ({ output, call }) => {
        const answer = await call('p2p_peers')
        if (output.isJson) for (const peer of z.array(z.unknown()).parse(answer)) output.json(peer)
        else for (const line of peerLines(peers.parse(answer), isLong)) output.line(line)
      })
    })
  examples(command_, ['kumiko p2p peers --data-dir ./data', 'kumiko p2p peers --protocols', 'kumiko p2p peers --json'])
}

function peerLines(list: z.infer<typeof peers>, isLong: boolean): string[] {
  if (list.length === 0) return ['no peers']
  return list.flatMap(({ peerId, agent, connections, protocols }) => [
    ...connections.map(({ direction, address }, index) =>
      [index === 0 ? peerId : ' '.repeat(peerId.length), direction.padEnd(8), address, index === 0 ? printable(agent ?? '') : '']
        .join('  ')
        .trimEnd(),
    ),
    ...(isLong ? protocols.map((protocol) => `  ${printable(protocol)}`) : []),
  ])
}

function addDial(p2p: Command): void {
  const dial = timed(command(p2p, 'dial'))
    .description('Connect to a peer.')
    .argument('<target>', 'a peer id, an enode URL, an ENR or a multiaddr')
    .action(async (target: string, { timeout }: { timeout: number }, self: Command) => {
      await asking(self, async ({ output, call }) => {
        const answer = await call('p2p_dial', { target, timeoutMs: timeout * 1_000 })
        const { peerId, address, encryption = 'native', ms } = dialed.parse(answer)
        report(output, identity.parse(answer), [`connected to ${peerId} at ${address} (${encryption}, ${ms.toFixed(1)} ms)`])
      })
    })
  examples(dial, ['kumiko p2p dial /ip4/127.0.0.1/tcp/4001/p2p/12D3…', 'kumiko p2p dial enode://…@127.0.0.1:30303 --data-dir ./data'])
}

function addPing(p2p: Command): void {
  const command_ = timed(command(p2p, 'ping'))
    .description("Ping a peer by libp2p's protocol, connecting where that is needed. Exit code 1 if it answers none.")
    .argument('<target>', 'a peer id, an enode URL, an ENR or a multiaddr')
    .option('--count <n>', 'how often', wholeNumber(1, 10_000), 1)
    .action(async (target: string, { timeout, count }: { timeout: number; count: number }, self: Command) => {
      await asking(self, async ({ output, signal, isStopped, call }) => {
        for (let i = 0; i < count && !isStopped(); i++) {
          if (i > 0) await sleep(systemClock, PING_PAUSE_MS, signal)
          const { ms } = pong.parse(await call('p2p_ping', { target, timeoutMs: timeout * 1_000 }))
          report(output, { target, ms }, [`${ms.toFixed(0)} ms`])
        }
      })
    })
  examples(command_, ['kumiko p2p ping 12D3KooW… --data-dir ./data', 'kumiko p2p ping /ip4/127.0.0.1/tcp/4001/p2p/12D3… --count 10 --json'])
}

function addDht(p2p: Command): void {
  const dht = p2p.command('dht').description('Use the DHT that the node takes part in.')
  addProvide(dht)
  addFindPeer(dht)
  addFindProviders(dht)
  examples(dht, ['kumiko p2p dht find-providers coffee --rendezvous', 'kumiko p2p dht find-peer 12D3KooW…'])
}

/** A key of the DHT, and how it is read. */
function keyed(command_: Command): Command {
  return timed(command_).argument('<key>', 'a CID').option('--rendezvous', 'the key is a word, as kumiko-chat and go-libp2p advertise it')
}

function addProvide(dht: Command): void {
  const provide = keyed(command(dht, 'provide'))
    .description('Tell the DHT that the node provides something.')
    .action(async (key: string, { timeout, rendezvous = false }: { timeout: number; rendezvous?: boolean }, self: Command) => {
      await asking(self, async ({ output, call }) => {
        const { cid } = provided.parse(await call('dht_provide', { key, isRendezvous: rendezvous, timeoutMs: timeout * 1_000 }))
        report(output, { cid }, [`provides ${cid}`])
      })
    })
  examples(provide, ['kumiko p2p dht provide bafkrei… --data-dir ./data', 'kumiko p2p dht provide coffee --rendezvous'])
}

function addFindPeer(dht: Command): void {
  const findPeer = timed(command(dht, 'find-peer'))
    .description('Look for the addresses of a peer.')
    .argument('<peer>', 'a peer id')
    .action(async (target: string, { timeout }: { timeout: number }, self: Command) => {
      await asking(self, async ({ output, call }) => {
        const { peerId, addresses } = found.parse(await call('dht_findPeer', { target, timeoutMs: timeout * 1_000 }))
        report(output, { peerId, addresses }, addresses.length === 0 ? [`${peerId} has no addresses`] : addresses)
      })
    })
  examples(findPeer, ['kumiko p2p dht find-peer 12D3KooW… --data-dir ./data', 'kumiko p2p dht find-peer 16Uiu2HA… --json'])
}

function addFindProviders(dht: Command): void {
  const findProviders = keyed(command(dht, 'find-providers'))
    .description('Look for peers that provide something. Exit code 0 also if there are none.')
    .option('--count <n>', 'stop at so many', wholeNumber(1, 1_000), 20)
    .action(
      async (
        key: string,
        { timeout, count, rendezvous = false }: { timeout: number; count: number; rendezvous?: boolean },
        self: Command,
      ) => {
        await asking(self, async ({ output, call }) => {
          const params = { key, count, isRendezvous: rendezvous, timeoutMs: timeout * 1_000 }
          const answer = await call('dht_findProviders', params, (value) => {
            const provider = found.parse(value)
            report(output, provider, [`${provider.peerId}  ${provider.addresses.join(' ')}`.trimEnd()])
          })
          const { cid, found: total } = search.parse(answer)
          if (!output.isJson && total === 0) output.line(`nobody provides ${cid}`)
        })
      },
    )
  examples(findProviders, ['kumiko p2p dht find-providers bafkrei…', 'kumiko p2p dht find-providers coffee --rendezvous --count 5 --json'])
}
