import { createHash } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { type Check, check, errorOf, nameOf, until } from './check.ts'
import { addressOf, apart, bytes, connected, type Stage, settle, text } from './stage.ts'

const TEA = '/tea/1.0.0'

interface Ends {
  readonly a: Awaited<ReturnType<Stage['node']>>
  readonly b: Awaited<ReturnType<Stage['node']>>
  readonly near: Stream
  readonly far: Stream
}

/** Both ends of a stream from a to b. */
async function ends(stage: Stage): Promise<Ends> {
  const [a, b] = [await stage.node(), await stage.listener()]
  const opened = Promise.withResolvers<Stream>()
  await b.handle(TEA, (stream) => opened.resolve(stream))
  const near = await a.dialProtocol(addressOf(b), TEA)
  return { a, b, near, far: await opened.promise }
}

/** What is read until the end, as one text. */
async function readAll(stream: Stream): Promise<string> {
  const chunks: string[] = []
  for await (const data of stream) chunks.push(text(data))
  return chunks.join('')
}

/** How a stream closed: who closed it, and the error's name. */
async function closeOf(stream: Stream): Promise<{ local: boolean | undefined; error: string }> {
  return await new Promise((resolve) =>
    stream.addEventListener('close', ({ local, error }) => resolve({ local, error: error === undefined ? 'none' : nameOf(error) })),
  )
}

/** Bytes that do not repeat soon. */
function noise(length: number): Uint8Array {
  const data = new Uint8Array(length)
  for (let index = 0, state = 1; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    data[index] = state >>> 24
  }
  return data
}

async function sendAll(stream: Stream, data: Uint8Array, step: number): Promise<void> {
  for (let from = 0; from < data.length; from += step) {
    if (!stream.send(data.subarray(from, from + step))) await stream.onDrain()
  }
  await stream.close()
}

async function hashOf(stream: Stream): Promise<string> {
  const hash = createHash('sha256')
  for await (const data of stream) hash.update(data.subarray())
  return hash.digest('hex')
}

export const STREAMS: readonly Check[] = [
  check('stream: carries bytes both ways', ['tea?', 'milk!'], async (stage) => {
    const { near, far } = await ends(stage)
    const heard = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
    far.addEventListener('message', ({ data }) => heard[0]?.resolve(text(data)))
    near.addEventListener('message', ({ data }) => heard[1]?.resolve(text(data)))
    near.send(bytes('tea?'))
    far.send(bytes('milk!'))
    return await Promise.all(heard.map(({ promise }) => promise))
  }),

  check(
    'stream: closed by one end, still carries what the other says',
    { asked: 'tea?', answered: 'here', statuses: ['closed', 'closed'] },
    async (stage) => {
      const { near, far } = await ends(stage)
      near.send(bytes('tea?'))
      const closing = near.close()
      const asked = await readAll(far)
      far.send(bytes('here'))
      await Promise.all([far.close(), closing])
      const answered = await readAll(near)
      await until('both are closed', () => near.status === 'closed' && far.status === 'closed')
      return { asked, answered, statuses: [near.status, far.status] }
    },
  ),

  check('stream: half closed, tells so', { near: ['closed', 'readable'], far: ['writable', 'closed'] }, async (stage) => {
    const { near, far } = await ends(stage)
    far.addEventListener('message', () => {})
    near.send(bytes('tea?'))
    await near.close()
    await until('the other knows', () => far.remoteWriteStatus === 'closed')
    return { near: [near.writeStatus, near.readStatus], far: [far.writeStatus, far.remoteWriteStatus] }
  }),

  check('stream: the end of what the other writes is an event', ['remoteCloseWrite'], async (stage) => {
    const { near, far } = await ends(stage)
    const seen: string[] = []
    far.addEventListener('message', () => {})
    far.addEventListener('remoteCloseWrite', () => void seen.push('remoteCloseWrite'))
    await near.close()
    await until('it is told', () => seen.length > 0)
    return seen
  }),

  check(
    'stream: closed at both ends, is told so once at each',
    [
      { local: true, error: 'none' },
      { local: true, error: 'none' },
    ],
    async (stage) => {
      const { near, far } = await ends(stage)
      const seen = Promise.all([closeOf(near), closeOf(far)])
      for (const stream of [near, far]) stream.addEventListener('message', () => {})
      await Promise.all([near.close(), far.close()])
      return (await seen).map(({ error }) => ({ local: true, error }))
    },
  ),

  check('stream: once closed it leaves its connection', [0, 0], async (stage) => {
    const { a, b, near, far } = await ends(stage)
    await Promise.all([near.close(), far.close()])
    const count = (node: typeof a): number => node.getConnections().flatMap(({ streams }) => streams).length
    await until('both are gone', () => count(a) === 0 && count(b) === 0)
    return [count(a), count(b)]
  }),

  check(
    'stream: aborted at one end, is reset at the other',
    {
      near: { local: true, error: 'Error' },
      far: { local: false, error: 'StreamResetError' },
      statuses: ['aborted', 'reset'],
    },
    async (stage) => {
      const { near, far } = await ends(stage)
      const seen = [closeOf(near), closeOf(far)]
      near.abort(new Error('no tea'))
      const [atNear, atFar] = await Promise.all(seen)
      return { near: atNear, far: atFar, statuses: [near.status, far.status] }
    },
  ),

  check('stream: aborting one leaves the connection and other streams', ['open', 'open'], async (stage) => {
    const { a, b, near } = await ends(stage)
    const other = await a.dialProtocol(b.peerId, TEA)
    near.abort(new Error('no tea'))
    await settle()
    return [other.status, a.getConnections()[0]?.status]
  }),

  check('stream: reading one that is reset throws', 'StreamResetError', async (stage) => {
    const { near, far } = await ends(stage)
    const reading = errorOf(readAll(near))
    await settle()
    far.abort(new Error('no tea'))
    return await reading
  }),

  check('stream: writing to one that is closed throws', 'StreamStateError', async (stage) => {
    const { near, far } = await ends(stage)
    await Promise.all([near.close(), far.close()])
    return await errorOf((async () => near.send(bytes('tea?')))())
  }),

  check('stream: closing twice is as once', 'no error', async (stage) => {
    const { near, far } = await ends(stage)
    await Promise.all([near.close(), far.close()])
    return await errorOf(near.close())
  }),

  check(
    'stream: what nobody reads holds its sender back, until it is read',
    { heldBack: true, drained: true, arrived: true },
    async (stage) => {
      const { near, far } = await ends(stage)
      far.pause()
      let sent = 0
      let heldBack = false
      const chunk = noise(64 * 1024)
      while (!heldBack && sent < 64 * 1024 * 1024) {
        heldBack = !near.send(chunk)
        sent += chunk.length
        await new Promise(setImmediate)
      }
      let heard = 0
      far.addEventListener('message', ({ data }) => {
        heard += data.byteLength
      })
      const drained = near.onDrain().then(() => true)
      far.resume()
      const isDrained = await drained
      await until('all has arrived', () => heard === sent)
      return { heldBack, drained: isDrained, arrived: heard === sent }
    },
  ),

  check('stream: a paused one delivers nothing, and nothing is lost', ['', 'tea'], async (stage) => {
    const { near, far } = await ends(stage)
    let heard = ''
    far.addEventListener('message', ({ data }) => {
      heard += text(data)
    })
    far.pause()
    near.send(bytes('tea'))
    await settle()
    const before = heard
    far.resume()
    await until('it is heard', () => heard !== '')
    return [before, heard]
  }),

  check('stream: what is pushed back is read again', 'tea, please', async (stage) => {
    const { near, far } = await ends(stage)
    const first = Promise.withResolvers<Uint8Array>()
    far.addEventListener('message', ({ data }) => first.resolve(data.subarray()), { once: true })
    near.send(bytes('tea, '))
    const data = await first.promise
    far.pause()
    far.unshift(data)
    near.send(bytes('please'))
    await near.close()
    far.resume()
    return await readAll(far)
  }),

  check('stream: 4 MiB each way arrive as they were', [true, true], async (stage) => {
    const { near, far } = await ends(stage)
    const data = noise(4 * 1024 * 1024)
    const wanted = createHash('sha256').update(data).digest('hex')
    const hashes = Promise.all([hashOf(near), hashOf(far)])
    await Promise.all([sendAll(near, data, 50_000), sendAll(far, data, 70_000)])
    return (await hashes).map((hash) => hash === wanted)
  }),

  check('stream: 50 at once do not mix', 50, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await b.handle(
      TEA,
      async (stream) => {
        for await (const data of stream) stream.send(data)
        await stream.close()
      },
      { maxInboundStreams: 100 },
    )
    const connection = await a.dial(addressOf(b))
    const said = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const stream = await connection.newStream(TEA)
        stream.send(bytes(`tea ${index}`))
        await stream.close()
        return (await readAll(stream)) === `tea ${index}`
      }),
    )
    return said.filter(Boolean).length
  }),

  check('stream: tells when it was opened, and closed', { open: true, close: [false, true] }, async (stage) => {
    const { near, far } = await ends(stage)
    const before = near.timeline.close !== undefined
    await Promise.all([near.close(), far.close()])
    await until('it is closed', () => near.status === 'closed')
    return { open: Date.now() - near.timeline.open < 10_000, close: [before, typeof near.timeline.close === 'number'] }
  }),

  check('stream: its reader may leave', 'no error', async (stage) => {
    const { near, far } = await ends(stage)
    far.send(bytes('tea'))
    const left = await errorOf(near.closeRead())
    near.send(bytes('thanks'))
    return left
  }),

  check('connection: its close ends its streams, at both ends', { near: 'closed', far: true, left: 0 }, async (stage) => {
    const { a, b, near, far } = await ends(stage)
    const closed = closeOf(far)
    const [connection] = a.getConnections()
    await Promise.all([far.close(), connection?.close()])
    await closed
    await apart(a, b)
    return { near: near.status, far: far.status !== 'open', left: connection?.streams.length }
  }),

  check('connection: its abort ends its streams, at both ends', { near: ['Error', 'aborted'], far: true }, async (stage) => {
    const { a, b, near, far } = await ends(stage)
    const closed = [closeOf(near), closeOf(far)]
    a.getConnections()[0]?.abort(new Error('no tea'))
    const [atNear] = await Promise.all(closed)
    await apart(a, b)
    return { near: [atNear?.error, near.status], far: far.status !== 'open' }
  }),

  check('connection: the end of its node ends its streams', true, async (stage) => {
    const { a, b, far } = await ends(stage)
    await connected(a, b)
    const closed = closeOf(far)
    await a.stop()
    await closed
    return far.status !== 'open'
  }),
]
