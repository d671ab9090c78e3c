import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { FetchFlags } from '../fabric/fetch.ts'
import { stopSignal } from '../stop-signal.ts'
import { positiveNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'

/** `kumiko channel …`. */
export function addChannelCommand(program: Command): void {
  const channel = program.command('channel').description("Fabric's channels: look into blocks and configurations, fetch blocks, join.")
  addInspect(channel)
  addFetch(channel)
  examples(channel, [
    'kumiko channel inspect genesis.block',
    'kumiko channel fetch config -c mychannel -o orderer:7050 --tls --cafile ca.crt',
  ])
}

function addInspect(channel: Command): void {
  const inspect = channel
    .command('inspect')
    .description('Show a block, envelope, configuration or update of one. --json: as `configtxlator proto_decode` shows it.')
    .argument('<file>', 'a file, or - for stdin')
    .option('--type <name>', 'what it is, as common.Block; default: found out')
    .action(async (path: string, { type }: { type?: string }, self: Command) => {
      const [{ readBinary }, { recognize, RECOGNIZED, toJson }, { describe }] = await Promise.all([
        import('../fabric/binary-file.ts'),
        import('../fabric/recognized.ts'),
        import('../fabric/description.ts'),
      ])
      const output = outputOf(self)
      const bytes = await readBinary(path)
      const recognized = type === undefined ? recognize(bytes) : RECOGNIZED.find((known) => known === type)
      const json = toJson(type ?? recognized ?? '', bytes)
      if (output.isJson) output.json(json)
      else
        for (const line of recognized === undefined ? JSON.stringify(json, null, 2).split('\n') : describe(recognized, bytes))
          output.line(line)
    })
  examples(inspect, [
    'kumiko channel inspect genesis.block',
    "kumiko channel inspect config_block.pb --json | jq '.data.data[0].payload.data.config'",
    'kumiko channel inspect - --type common.ConfigUpdate < update.pb',
  ])
}

function addFetch(channel: Command): void {
  const fetch = channel
    .command('fetch')
    .description("Fetch a block from an orderer, or from a peer. The identity is core.yaml's: peer.mspConfigPath and peer.localMspId.")
    .argument('<block>', 'newest, oldest, config (the last that changed the configuration) or a number')
    .argument('[file]', 'where to; default: <channel>_<block>.block')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .option('-o, --orderer <host:port>', 'the orderer to ask')
    .option('--peerAddress <host:port>', 'the peer to ask, in place of an orderer')
    .option('--tls', 'with TLS; default: peer.tls.enabled')
    .option('--cafile <file>', 'PEM of the CA that vouches for the service; default: peer.tls.rootcert.file')
    .option('--ordererTLSHostnameOverride <name>', "the name in the service's certificate, in place of the host")
    .option('--clientauth', 'show a certificate of our own; default: where --certfile is given')
    .option('--certfile <file>', 'PEM of it; default: peer.tls.clientCert.file, or peer.tls.cert.file')
    .option('--keyfile <file>', 'PEM of its key; default: peer.tls.clientKey.file, or peer.tls.key.file')
    .option('--connTimeout <seconds>', 'to connect', positiveNumber(3_600), 3)
    .action(async (block: string, file: string | undefined, flags: FetchFlags, self: Command) => {
      const [{ loadCoreConfig }, { fetchedBlock, fetchFromService }, { writeBlock }, { writeBinary }] = await Promise.all([
        import('../fabric/core-file.ts'),
        import('../fabric/fetch.ts'),
        import('@kumiko/fabric-protocol'),
        import('../fabric/binary-file.ts'),
      ])
      const which = fetchedBlock(block)
      const { config } = await loadCoreConfig({ env: process.env })
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      const fetched = await fetchFromService(which, flags, config, stop.signal)
      const path = resolve(file ?? `${flags.channelID}_${which}.block`)
      await writeBinary(path, writeBlock(fetched))
      const { number } = fetched.header
      report(output, { number: Number(number), file: path }, [`block ${number}: ${path}`])
    })
  examples(fetch, [
    'kumiko channel fetch newest -c mychannel -o 127.0.0.1:7050 --tls --cafile tlsca.pem',
    'kumiko channel fetch 0 genesis.block -c mychannel --peerAddress 127.0.0.1:7051 --tls --cafile ca.pem --certfile c.pem --keyfile c.key',
  ])
}
