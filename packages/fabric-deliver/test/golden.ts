import { join } from 'node:path'
import type { ClientTls } from '@kumiko/fabric-grpc'
import {
  type ChannelBundle,
  channelBundle,
  channelMsp,
  type LocalMsp,
  loadLocalMsp,
  readConfigTransaction,
  type X509Msp,
} from '@kumiko/fabric-msp'
import { type Block, readBlock } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenFile, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'

export const CHANNEL = 'mychannel'
const ORDERER = 'crypto/ordererOrganizations/example.com/orderers/orderer.example.com'
const PEER = 'crypto/peerOrganizations/org1.example.com/peers/peer0.org1.example.com'
const USER = 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com'

export function goldenBlock(number: number): Block {
  return must(readBlock(ordererBlock(number)))
}

export function goldenPeerBlock(number: number): Block {
  return must(readBlock(peerBlock(number)))
}

/** The channel as of its first block. */
export function goldenBundle(number = 0): ChannelBundle<X509Msp> {
  const { channelId, envelope } = must(readConfigTransaction(must(goldenBlock(number).data[0])))
  return must(channelBundle(channelId, must(envelope.config), channelMsp))
}

/** A user of the organisation with peers. */
export function goldenUser(): Promise<LocalMsp> {
  return loadLocalMsp(join(GOLDEN, USER, 'msp'), { mspId: 'Org1MSP' })
}

/** Who signs the channel's blocks. */
export function goldenOrderer(): Promise<LocalMsp> {
  return loadLocalMsp(join(GOLDEN, ORDERER, 'msp'), { mspId: 'OrdererMSP' })
}

/** The TLS of a server, and the CA that vouches for it. */
export interface ServerTls extends ClientTls {
  readonly root: Uint8Array
}

export const ordererTls: ServerTls = tlsOf(ORDERER)
export const peerTls: ServerTls = tlsOf(PEER)
export const userTls: ServerTls = {
  certificate: goldenFile(`${USER}/tls/client.crt`),
  privateKey: goldenFile(`${USER}/tls/client.key`),
  root: goldenFile(`${USER}/tls/ca.crt`),
}

function tlsOf(folder: string): ServerTls {
  return {
    certificate: goldenFile(`${folder}/tls/server.crt`),
    privateKey: goldenFile(`${folder}/tls/server.key`),
    root: goldenFile(`${folder}/tls/ca.crt`),
  }
}
