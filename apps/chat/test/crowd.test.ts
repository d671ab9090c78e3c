import { afterEach, expect, test } from 'vitest'
import { type ChatHost, composeChat } from '../src/compose.ts'

const SIZE = 20

/** A chat in this process, and what it heard. */
interface Guest {
  readonly host: ChatHost
  readonly heard: string[]
}

const hosts: ChatHost[] = []

afterEach(async () => {
  await Promise.allSettled(hosts.splice(0).map((host) => host.stop()))
})

async function start(rendezvous: string, known: readonly Guest[]): Promise<Guest> {
  const heard: string[] = []
  const host = await composeChat(
    {
      rendezvous,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: known.flatMap((guest) => guest.host.getMultiaddrs()),
      protocol: '/chat/1.1.0',
      hasMdns: false,
      isJson: false,
    },
    undefined,
    (event) => {
      if (event.type === 'line' && event.peer !== host.peerId.toString()) heard.push(event.text)
    },
  )
  hosts.push(host)
  await host.start()
  return { host, heard }
}

const present = (guest: Guest): number => guest.host.services.chat.present().length

test(`a chat of ${SIZE} survives the loss of its bootstrap node`, { timeout: 420_000 }, async () => {
  const bootstrap = await start('elsewhere', [])
  const guests: Guest[] = []
  while (guests.length < SIZE) guests.push(await start('crowd', [bootstrap]))
  await expect.poll(() => guests.map(present), { timeout: 300_000, interval: 250 }).toEqual(guests.map(() => SIZE - 1))

  // On a busy machine it may not be done in time; it has stopped nevertheless.
  await Promise.allSettled([bootstrap.host.stop()])
  for (const [index, guest] of guests.entries()) guest.host.services.chat.say(`line of ${index}`)
  const all = guests.map((_, index) => `line of ${index}`)
  for (const [index, guest] of guests.entries()) {
    const others = all.filter((_, other) => other !== index).sort()
    await expect.poll(() => guest.heard.toSorted()).toEqual(others)
  }

  // Whoever knows one of them finds all.
  const newcomer = await start('crowd', guests.slice(7, 8))
  await expect.poll(() => present(newcomer)).toBe(SIZE)
  await expect.poll(() => guests.map(present)).toEqual(guests.map(() => SIZE))
  newcomer.host.services.chat.say('good evening')
  for (const guest of guests) await expect.poll(() => guest.heard.at(-1)).toBe('good evening')
  // What was said before it came is not for it.
  expect(newcomer.heard).toEqual([])
})
