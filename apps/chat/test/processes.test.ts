import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { addressOf, startChatProcess, startProcess, temporaryFolder } from './processes.ts'

/** A node of js-libp2p's own that does what go-libp2p's chat-with-rendezvous does, written without any of our code. */
interface PlainPeer extends AsyncDisposable {
  readonly id: string
  /** Lines heard, of all streams. */
  readonly heard: string[]
  /** Advertises, and opens a stream to whoever is found. @returns Whom it has met so far. */
  meet(rendezvous: string): Promise<string[]>
  /** To everyone met. */
  say(line: string): void
}

async function startPlainPeer(bootstrap: string): Promise<PlainPeer> {
  const heard: string[] = []
  const streams = new Map<string, Stream>()
  const read = (stream: Stream): void => {
    let text = ''
    stream.addEventListener('message', ({ data }) => {
      text += new TextDecoder().decode(data.subarray())
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      heard.push(...lines.filter((line) => line !== ''))
    })
  }
  const node: Libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), dht: kadDHT({ clientMode: false, peerInfoMapper: passthroughMapper }) },
  })
  await node.handle('/chat/1.1.0', read)
  await node.dial(multiaddr(bootstrap))
  return {
    id: node.peerId.toString(),
    heard,
    meet: async (rendezvous) => {
      const key = CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(rendezvous)))
      await node.contentRouting.provide(key, { signal: AbortSignal.timeout(60_000) })
      for await (const { id } of node.contentRouting.findProviders(key, { signal: AbortSignal.timeout(60_000) })) {
        if (id.equals(node.peerId) || streams.has(id.toString())) continue
        const stream = await node.dialProtocol(id, '/chat/1.1.0').catch(() => undefined)
        if (stream === undefined) continue
        streams.set(id.toString(), stream)
        read(stream)
      }
      return [...streams.keys()]
    },
    // As go's: the line with its end, and an end.
    say: (line) => {
      for (const stream of streams.values()) stream.send(new TextEncoder().encode(`${line}\n\n`))
    },
    [Symbol.asyncDispose]: async () => await node.stop(),
  }
}

describe('processes of the program', () => {
  test('two of them and a peer of js-libp2p find each other by rendezvous and talk', async () => {
    await using bootstrap = startChatProcess(['-r', 'elsewhere'])
    const address = addressOf(await bootstrap.event('started'))
    await using ann = startChatProcess(['-r', 'coffee', '--name', 'ann', '--bootstrap', address])
    await using bob = startChatProcess(['-r', 'coffee', '--name', 'bob', '--peer', address])
    await using plain = await startPlainPeer(address)
    const [annId, bobId] = [(await ann.event('started')).peerId, (await bob.event('started')).peerId]

    await expect.poll(() => plain.meet('coffee').then((met) => met.sort())).toEqual([annId, bobId].sort())
    for (const [one, other] of [
      [ann, 'bob'],
      [bob, 'ann'],
    ] as const) {
      await one.event('joined', { name: other })
      await one.event('joined', { peer: plain.id })
    }

    ann.say('hello from ann')
    await bob.event('line', { name: 'ann', text: 'hello from ann' })
    await expect.poll(() => plain.heard).toEqual(['hello from ann'])
    bob.say('\u001b[31mred\u001b[0m and grün')
    await ann.event('line', { name: 'bob', text: '\u001b[31mred\u001b[0m and grün' })
    plain.say('hello from afar')
    for (const one of [ann, bob]) await one.event('line', { peer: plain.id, text: 'hello from afar' })

    const left = await bob.kill('SIGINT')
    expect({ exitCode: left.exitCode, stderr: left.stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(JSON.parse(left.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ event: 'stopped' })
    await ann.event('left', { name: 'bob' })
    await expect.poll(() => plain.heard).toEqual(['hello from ann', '\u001b[31mred\u001b[0m and grün'])
    expect(bootstrap.events.map(({ event }) => event)).toEqual(['started', 'notice'])
  })

  test('who is killed is back with its history, and gets what it missed, once', async () => {
    await using folder = await temporaryFolder()
    await using ann = startChatProcess(['-r', 'tea', '--name', 'ann'])
    const args = ['-r', 'tea', '--name', 'bob', '--data-dir', folder.path, '--bootstrap', addressOf(await ann.event('started'))]
    await using bob = startChatProcess(args)
    await ann.event('joined', { name: 'bob' })
    await bob.event('joined', { name: 'ann' })
    ann.say('one')
    await bob.event('line', { text: 'one' })
    bob.say('two')
    await ann.event('line', { text: 'two' })

    const inUse = await startProcess(args).ended
    expect(inUse.exitCode).toBe(1)
    expect(inUse.stderr).toMatch(
      /^kumiko-chat: data folder ".*" is in use by another process: stop that one, or choose another with --data-dir\n$/,
    )

    await bob.kill('SIGKILL')
    await ann.event('left', { name: 'bob' })
    ann.say('three, to nobody')
    await ann.event('said', { text: 'three, to nobody' })

    // Without the bootstrap: it remembers whom it met.
    await using again = startChatProcess(args.slice(0, -2))
    for (const text of ['one', 'two']) await again.event('history', { text })
    await ann.event('joined', { name: 'bob', isBack: true })
    await again.event('line', { name: 'ann', text: 'three, to nobody' })
    again.say('four')
    await ann.event('line', { name: 'bob', text: 'four' })
    const texts = again.events.flatMap(({ event, text }) => (event === 'line' ? [text] : []))
    expect(texts).toEqual(['three, to nobody'])
  })

  test('a pipe gets plain lines', async () => {
    await using ann = startChatProcess(['-r', 'juice', '--name', 'ann'])
    const address = addressOf(await ann.event('started'))
    await using bob = startProcess(['-r', 'juice', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--bootstrap', address])
    await ann.event('joined')
    ann.say('\u001b]0;owned\u0007 hi')
    bob.say('thanks')
    await ann.event('line', { text: 'thanks' })
    await expect.poll(() => bob.stdout()).toContain('\nann: \\x1b]0;owned\\x07 hi\n')
    const { exitCode, stdout, stderr } = await bob.kill('SIGTERM')
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).not.toContain('\u001b')
  })
})

describe('a command line that is wrong', () => {
  test.each([
    [[], 2, "required option '-r, --rendezvous <word>' not specified"],
    [['-r', 'x', '--bootstrap', '/ip4/127.0.0.1/tcp/1'], 2, 'Want an address as /ip4/192.0.2.1/tcp/4001/p2p/16Uiu2HAm…'],
    [['-r', 'x', '--listen', '/ip4/1.2.3.4/udp/1'], 2, 'Want an address as /ip4/0.0.0.0/tcp/4001'],
    [['-r', ''], 2, 'Want 1 to 256 bytes'],
    [['-r', 'x', '--name', ' '], 2, 'Want 1 to 32 characters that can be shown'],
    [['-r', 'x', '--protocol', 'chat'], 2, 'Want a protocol id, as /chat/1.1.0'],
    [['-r', 'x', '--rendezvus', 'y'], 2, "unknown option '--rendezvus'"],
    [['-r', 'x', '--no-mdns', '--listen', '/ip4/203.0.113.1/tcp/4001'], 1, '/ip4/203.0.113.1/tcp/4001'],
    [['-r', 'x', '--data-dir', '/dev/null'], 1, 'cannot make data folder "/dev/null" (it is a file): choose another with --data-dir'],
  ])('%j', async (args, exitCode, message) => {
    const outcome = await startProcess(args).ended
    expect(outcome.exitCode).toBe(exitCode)
    expect(outcome.stdout).toBe('')
    expect(outcome.stderr).toMatch(/^kumiko-chat: [^\n]*\n$/)
    expect(outcome.stderr).toContain(message)
  })

  test('help has examples', async () => {
    const { exitCode, stdout } = await startProcess(['--help']).ended
    expect(exitCode).toBe(0)
    expect(stdout).toContain('$ kumiko-chat --rendezvous coffee')
  })
})
