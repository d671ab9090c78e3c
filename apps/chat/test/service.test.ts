import type { Multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test } from 'vitest'
import type { ChatEvent } from '../src/chat.ts'
import { type ChatHost, composeChat } from '../src/compose.ts'

const hosts: ChatHost[] = []

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()))
})

interface Guest {
  readonly host: ChatHost
  readonly events: ChatEvent[]
}

async function start(name: string, bootstrap: readonly Multiaddr[] = []): Promise<Guest> {
  const events: ChatEvent[] = []
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const config = { rendezvous: 'cocoa', listen, bootstrap, protocol: '/chat/1.1.0', name, hasMdns: false, isJson: false }
  const host = await composeChat(config, undefined, (event) => events.push(event))
  hosts.push(host)
  await host.start()
  return { host, events }
}

/** What was heard of others. */
const heard = ({ host, events }: Guest): string[] =>
  events.flatMap((event) => (event.type === 'line' && event.peer !== host.peerId.toString() ? [event.text] : []))
const faults = ({ events }: Guest): string[] => events.flatMap((event) => (event.type === 'fault' ? [event.fault.fault] : []))
const present = ({ host }: Guest): (string | undefined)[] => host.services.chat.present().map(({ name }) => name)

test('a chat whose Host stops and starts again goes on', async () => {
  const ann = await start('ann')
  const bob = await start('bob', ann.host.getMultiaddrs())
  await expect.poll(() => present(ann)).toEqual(['bob'])
  await expect.poll(() => present(bob)).toEqual(['ann'])
  await bob.host.stop()
  await expect.poll(() => present(ann)).toEqual([])
  ann.host.services.chat.say('missed')
  // Ann listens where she did: bob begins with her again.
  await bob.host.start()
  await expect.poll(() => heard(bob)).toEqual(['missed'])
  bob.host.services.chat.say('back')
  await expect.poll(() => heard(ann)).toEqual(['back'])
})

test('a connection that breaks is made again, and nobody sees it', async () => {
  const ann = await start('ann')
  const bob = await start('bob', ann.host.getMultiaddrs())
  await expect.poll(() => [present(ann), present(bob)]).toEqual([['bob'], ['ann']])
  for (const connection of bob.host.getConnections()) connection.abort(new Error('the cable was pulled'))
  ann.host.services.chat.say('still there?')
  await expect.poll(() => heard(bob)).toEqual(['still there?'])
  expect([...ann.events, ...bob.events].filter(({ type }) => type === 'left')).toEqual([])
})

test('whoever breaks a rule is cut off, and the others are not', async () => {
  const ann = await start('ann')
  const bob = await start('bob', ann.host.getMultiaddrs())
  await expect.poll(() => [present(ann), present(bob)]).toEqual([['bob'], ['ann']])
  const mallory = await start('mallory')
  await mallory.host.dial(ann.host.getMultiaddrs())
  const plain = await mallory.host.dialProtocol(ann.host.peerId, '/chat/1.1.0')
  plain.send(new Uint8Array(20_000).fill(0x78))
  await expect.poll(() => faults(ann)).toEqual(['chat/line-too-long'])
  const ours = await mallory.host.dialProtocol(ann.host.peerId, '/kumiko/chat/1.0.0')
  ours.send(new TextEncoder().encode('{"type":"said","at":1,"text":"no hello"}\n'))
  await expect.poll(() => faults(ann)).toEqual(['chat/line-too-long', 'chat/bad-message'])
  await expect.poll(() => [plain.status, ours.status]).toEqual(['reset', 'reset'])
  bob.host.services.chat.say('quiet here')
  await expect.poll(() => heard(ann)).toEqual(['quiet here'])
})

test('a peer that says nothing but opens many streams has four', async () => {
  const ann = await start('ann')
  const many = await start('many')
  await many.host.services.chat.found({ id: ann.host.peerId, multiaddrs: ann.host.getMultiaddrs() })
  await expect.poll(() => present(many)).toEqual(['ann'])
  const opened = await Promise.allSettled(
    Array.from({ length: 12 }, () => many.host.getConnections()[0]?.newStream('/chat/1.1.0', { maxOutboundStreams: 100 })),
  )
  await expect.poll(() => opened.filter((one) => one.status === 'fulfilled' && one.value?.status === 'open').length).toBeLessThanOrEqual(4)
})
