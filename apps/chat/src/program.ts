import { peerIdAt } from '@kumiko/identity'
import { namesHelp, VERSION } from '@kumiko/terminal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Command, InvalidArgumentError } from 'commander'
import { CHAT_PROTOCOL } from './chat.ts'
import type { ChatConfig } from './compose.ts'
import { cleanName, NAME_MAX } from './message.ts'

/** What a DHT's key is made of has no bound of its own. */
const RENDEZVOUS_MAX = 256

const EXAMPLES = [
  'kumiko-chat --rendezvous coffee                     # others on the local network',
  'kumiko-chat -r coffee --name ann --listen /ip4/0.0.0.0/tcp/4001',
  'kumiko-chat -r coffee --name bob --bootstrap /ip4/192.0.2.1/tcp/4001/p2p/16Uiu2HAm…',
  'kumiko-chat -r coffee --data-dir ~/.kumiko-chat     # the same peer, and its history, next time',
  'kumiko-chat -r coffee --json < lines | jq .text',
]

interface Options {
  readonly rendezvous: string
  readonly listen?: string[]
  readonly bootstrap?: Multiaddr[]
  readonly peer?: Multiaddr[]
  readonly protocol: string
  readonly name?: string
  readonly mdns: boolean
  readonly dataDir?: string
  readonly json?: true
}

/** The command line of `kumiko-chat`. Throws CommanderError instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('kumiko-chat')
    .description('Chat with whoever knows the same word. No server: peers find each other in a DHT, or on the local network.')
    .requiredOption('-r, --rendezvous <word>', 'where to meet: whoever gives the same word is found', readRendezvous)
    .option('-l, --listen <multiaddr>', 'where to listen; repeatable (default: a free port of all addresses)', readListen)
    .option('-b, --bootstrap <multiaddr>', 'a peer to begin with, ending in /p2p/…; repeatable', readBootstrap)
    .option('--peer <multiaddr>', 'the same, by the name that go-libp2p’s example has', readBootstrap)
    .option('-n, --name <name>', `what others call you, at most ${NAME_MAX} characters`, readName)
    .option('-d, --data-dir <folder>', 'keeps the key, the peers met and the history (default: nothing is kept)')
    .option('--protocol <id>', 'the protocol of peers other than kumiko’s', readProtocol, CHAT_PROTOCOL)
    .option('--no-mdns', 'do not look for others on the local network')
    .option('--json', 'JSON, one value a line, for machines')
    .option('--verbose', 'show the stack of a failure')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this')
    .allowExcessArguments(false)
    .exitOverride()
    .showHelpAfterError(false)
    .addHelpText('after', `\nExamples:\n${EXAMPLES.map((line) => `  $ ${line}`).join('\n')}`)
    .action(async (_options: unknown, command: Command) => {
      const { runChat } = await import('./run-chat.ts')
      await runChat(configOf(command.opts()))
    })
  namesHelp(program, 'kumiko-chat')
  return program
}

function configOf({ rendezvous, listen, bootstrap = [], peer = [], protocol, name, mdns, dataDir, json }: Options): ChatConfig {
  return {
    rendezvous,
    bootstrap: [...bootstrap, ...peer],
    protocol,
    hasMdns: mdns,
    isJson: json === true,
    ...(listen === undefined ? {} : { listen }),
    ...(name === undefined ? {} : { name }),
    ...(dataDir === undefined ? {} : { dataDir }),
  }
}

function readRendezvous(text: string): string {
  if (text === '' || Buffer.byteLength(text) > RENDEZVOUS_MAX) throw new InvalidArgumentError(`Want 1 to ${RENDEZVOUS_MAX} bytes.`)
  return text
}

function readName(text: string): string {
  const name = cleanName(text)
  if (name === '' || name !== text.trim().normalize('NFC'))
    throw new InvalidArgumentError(`Want 1 to ${NAME_MAX} characters that can be shown.`)
  return name
}

function readProtocol(text: string): string {
  if (!/^\/[\x21-\x7e]{1,127}$/.test(text)) throw new InvalidArgumentError(`Want a protocol id, as ${CHAT_PROTOCOL}.`)
  return text
}

function readListen(text: string, before: string[] = []): string[] {
  const names = (readMultiaddr(text)?.getComponents() ?? []).map(({ name }) => name)
  if (!/^ip[46],tcp$/.test(names.join())) throw new InvalidArgumentError('Want an address as /ip4/0.0.0.0/tcp/4001.')
  return [...before, text]
}

function readBootstrap(text: string, before: Multiaddr[] = []): Multiaddr[] {
  const address = readMultiaddr(text)
  if (address === undefined || peerIdAt(address) === undefined) {
    throw new InvalidArgumentError('Want an address as /ip4/192.0.2.1/tcp/4001/p2p/16Uiu2HAm….')
  }
  return [...before, address]
}

function readMultiaddr(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}
