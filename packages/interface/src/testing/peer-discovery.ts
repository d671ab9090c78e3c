import assert from 'node:assert/strict'
import { type PeerDiscovery, type PeerInfo, peerDiscoverySymbol, type Startable } from '@libp2p/interface'
import { type Subject, type SubjectFactory, type TestRunner, testWith, turns } from './runner.ts'

/** A discovery that has not been started. */
export interface PeerDiscoverySubject extends Subject {
  readonly discovery: PeerDiscovery & Startable & { readonly [peerDiscoverySymbol]?: PeerDiscovery }
  /** Puts a peer within its reach, and resolves when a discovery that runs has told of it. */
  provoke(): Promise<void>
}

/** What holds for every part that finds peers. */
export function peerDiscoveryContract(runner: TestRunner, factory: SubjectFactory<PeerDiscoverySubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a PeerDiscovery', () => {
    test('is marked as one', ({ discovery }) => assert.equal(discovery[peerDiscoverySymbol], discovery))

    test('tells of a peer, with its id and a list of addresses, while it runs', async (subject) => {
      const seen = listen(subject)
      await start(subject)
      await subject.provoke()
      await turns()
      await stop(subject)
      assert.ok(seen.length > 0, 'no peer was told of')
      for (const { id, multiaddrs } of seen) {
        assert.notEqual(id.toString(), '')
        assert.ok(Array.isArray(multiaddrs))
      }
    })

    test('tells nothing before its start', async (subject) => {
      const seen = listen(subject)
      await subject.provoke()
      await turns()
      assert.deepEqual(seen, [])
    })

    test('tells nothing after its stop', async (subject) => {
      await start(subject)
      await stop(subject)
      const seen = listen(subject)
      await subject.provoke()
      await turns()
      assert.deepEqual(seen, [])
    })

    test('takes a second start and a second stop for the first', async (subject) => {
      const seen = listen(subject)
      await start(subject)
      await start(subject)
      await stop(subject)
      await stop(subject)
      const before = seen.length
      await subject.provoke()
      await turns()
      assert.equal(seen.length, before)
    })

    test('may be stopped without a start', stop)
  })
}

function listen({ discovery }: PeerDiscoverySubject): PeerInfo[] {
  const seen: PeerInfo[] = []
  discovery.addEventListener('peer', ({ detail }) => seen.push(detail))
  return seen
}

async function start({ discovery }: PeerDiscoverySubject): Promise<void> {
  await discovery.beforeStart?.()
  await discovery.start()
  await discovery.afterStart?.()
}

async function stop({ discovery }: PeerDiscoverySubject): Promise<void> {
  await discovery.beforeStop?.()
  await discovery.stop()
  await discovery.afterStop?.()
}
