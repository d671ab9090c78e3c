import type { Command } from 'commander'
import { clientHelp } from '../fabric-client/flags.ts'
import { examples } from './examples.ts'

const PATH = 'kumiko fabric discover'

/** `kumiko fabric discover …`: as Fabric's `discover`. */
export function addFabricDiscoverCommand(fabric: Command): void {
  const discover = fabric.command('discover').description('Ask a peer what it knows of a network: as `discover`. The answer is JSON.')
  addPeers(discover)
  addConfig(discover)
  addEndorsers(discover)
  examples(discover, [`${PATH} peers --channel mychannel`, `${PATH} endorsers --channel mychannel --chaincode basic`])
}

interface Flags {
  readonly server?: string
  readonly channel?: string
  readonly peerTLSCA?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

function asking(parent: Command, name: string): Command {
  return clientHelp(parent.command(name))
    .option('--server <host:port>', 'the peer; default: peer.address')
    .option('--peerTLSCA <file>', 'PEM of the CA that vouches for it; default: peer.tls.rootcert.file')
    .option('--tlsCert <file>', 'PEM of our certificate; default: peer.tls.clientCert.file, or peer.tls.cert.file')
    .option('--tlsKey <file>', 'PEM of its key; default: peer.tls.clientKey.file, or peer.tls.key.file')
}

function addPeers(parent: Command): void {
  const command = asking(parent, 'peers')
    .description('The peers of a channel; without one, all that the peer knows: for its administrators.')
    .option('--channel <name>', 'the channel')
    .action(async (flags: Flags, self: Command) => {
      const { shownPeers } = await import('../fabric-client/discover.ts')
      const { channel = '' } = flags
      await ask(self, flags, channel === '' ? { channel, localPeers: {} } : { channel, peerQuery: { filter: undefined } }, shownPeers)
    })
  examples(command, [`${PATH} peers --channel mychannel --server localhost:7051`])
}

function addConfig(parent: Command): void {
  const command = asking(parent, 'config')
    .description("A channel's MSPs and orderers.")
    .requiredOption('--channel <name>', 'the channel')
    .action(async (flags: Flags, self: Command) => {
      const { shownConfig } = await import('../fabric-client/discover.ts')
      await ask(self, flags, { channel: flags.channel ?? '', configQuery: {} }, shownConfig)
    })
  examples(command, [`${PATH} config --channel mychannel`])
}

type EndorserFlags = Flags & {
  readonly chaincode: readonly string[]
  readonly collection: readonly string[]
  readonly noPrivateReads: readonly string[]
}

function addEndorsers(parent: Command): void {
  const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]
  const command = asking(parent, 'endorsers')
    .description('Who must endorse a call of chaincode.')
    .requiredOption('--channel <name>', 'the channel')
    .option('--chaincode <name>', 'the chaincode; again for those that it calls', collect, [])
    .option('--collection <names>', 'chaincode:collection,collection that it uses; again for other chaincodes', collect, [])
    .option('--noPrivateReads <name>', 'a chaincode whose collections are only written; again for others', collect, [])
    .action(async (flags: EndorserFlags, self: Command) => {
      const { chaincodeCalls, shownEndorsers } = await import('../fabric-client/discover.ts')
      const chaincodes = chaincodeCalls(flags.chaincode, flags.collection, flags.noPrivateReads)
      await ask(self, flags, { channel: flags.channel ?? '', ccQuery: { interests: [{ chaincodes }] } }, shownEndorsers)
    })
  examples(command, [`${PATH} endorsers --channel mychannel --chaincode basic --collection basic:secrets`])
}

type Discover = typeof import('../fabric-client/discover.ts')

async function ask(
  self: Command,
  { server, peerTLSCA, tlsCert, tlsKey }: Flags,
  query: Parameters<Discover['discover']>[1],
  show: (result: Awaited<ReturnType<Discover['discover']>>) => unknown,
): Promise<void> {
  const [{ withNetwork }, { discover }] = await Promise.all([import('../fabric-client/run.ts'), import('../fabric-client/discover.ts')])
  const flags = {
    ...(server !== undefined && { peerAddresses: [server] }),
    ...(peerTLSCA !== undefined && { tlsRootCertFiles: [peerTLSCA] }),
    ...(tlsCert !== undefined && { certfile: tlsCert }),
    ...(tlsKey !== undefined && { keyfile: tlsKey }),
    showsCertificate: true,
  }
  await withNetwork(self, flags, async ({ network, output }) => {
    const shown = show(await discover(network, query))
    if (output.isJson) output.json(shown)
    else output.line(JSON.stringify(shown, null, '\t'))
  })
}
