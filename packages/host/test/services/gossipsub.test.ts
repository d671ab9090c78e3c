import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { describe, expect, test } from 'vitest'
import { connect, KINDS, start, startHost } from './nodes.ts'

const TOPIC = 'weather'
const services = () => ({ identify: identify(), pubsub: gossipsub({ heartbeatInterval: 100 }) })

describe.each(KINDS)('gossipsub among three, two of them a %s', (kind) => {
  test('a message goes through us to a peer that its author does not know', async () => {
    const ours = await startHost({ services: services() })
    const [one, other] = [await start(kind, { services: services() }), await start(kind, { services: services() })]
    const meshed = new Set<string>()
    ours.services.pubsub.addEventListener('gossipsub:graft', ({ detail }) => void meshed.add(detail.peerId))
    const all = [one, ours, other]
    const texts = all.map((): string[] => [])
    for (const [
      index,
      {
        services: { pubsub },
      },
    ] of all.entries()) {
      pubsub.addEventListener('message', ({ detail }) => void texts[index]?.push(new TextDecoder().decode(detail.data)))
      pubsub.subscribe(TOPIC)
    }
    await connect(one, ours)
    await connect(ours, other)
    await expect.poll(() => meshed.size).toBe(2)
    await expect.poll(() => one.services.pubsub.getSubscribers(TOPIC).length).toBe(1)
    const sent = await one.services.pubsub.publish(TOPIC, new TextEncoder().encode('rain'))
    expect(sent.recipients.map(String)).toEqual([ours.peerId.toString()])
    await ours.services.pubsub.publish(TOPIC, new TextEncoder().encode('sun'))
    await expect.poll(() => texts.map((each) => each.toSorted())).toEqual([['sun'], ['rain'], ['rain', 'sun']])
    expect(one.getConnections(other.peerId)).toEqual([])
    other.services.pubsub.unsubscribe(TOPIC)
    await expect.poll(() => ours.services.pubsub.getSubscribers(TOPIC).map(String)).toEqual([one.peerId.toString()])
  })
})
