import { equal } from 'node:assert/strict'
import type { Case } from '../case.ts'
import { startChatProcess } from '../chat-process.ts'
import { withoutGoLibp2p } from '../go-build.ts'
import { startGoLibp2pPeer } from '../go-libp2p-peer.ts'

/** Our chat with go-libp2p's. */
export const chatCases: readonly Case[] = [
  {
    name: 'kumiko-chat, kumiko-chat ↔ go-libp2p: they find each other by rendezvous and talk',
    deadlineMs: 90_000,
    prepare: withoutGoLibp2p,
    run: async () => {
      const bootstrap = startChatProcess(['-r', 'elsewhere'])
      const [address = ''] = (await bootstrap.next('started')).addresses as string[]
      const ann = startChatProcess(['-r', 'coffee', '--name', 'ann', '--bootstrap', address])
      const bob = startChatProcess(['-r', 'coffee', '--name', 'bob', '--bootstrap', address])
      await using go = await startGoLibp2pPeer({ dht: '/ipfs' })
      await go?.dial(address)
      await go?.chat('coffee')
      const peers = new Map([
        ['ann', (await ann.next('started')).peerId],
        ['bob', (await bob.next('started')).peerId],
      ])
      for (const chat of [ann, bob]) await chat.next('joined', { peer: go?.id })
      await ann.next('joined', { name: 'bob' })
      await bob.next('joined', { name: 'ann' })

      ann.say('hello from ann')
      const heard = await go?.next('chat-line', 60_000)
      equal(heard?.text, 'hello from ann')
      equal(heard?.peer, peers.get('ann'))
      bob.say('grüße')
      // Each line once, on one of the streams.
      equal((await go?.next('chat-line', 60_000))?.text, 'grüße')
      await go?.say('hello from go')
      for (const chat of [ann, bob]) await chat.next('line', { peer: go?.id, text: 'hello from go' })
      equal(await bob.leave(), 0)
      await go?.next('chat-left', 60_000, ({ peer }) => peer === peers.get('bob'))
      return undefined
    },
  },
]
