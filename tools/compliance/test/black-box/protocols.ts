import { identify } from '@libp2p/identify'
import { type PeerId, type Stream, TooManyOutboundProtocolStreamsError } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { type Check, check, errorOf, nameOf, until } from './check.ts'
import { limited } from './parts.ts'
import { addressOf, apart, bytes, connected, peek, roleOf, type Stage, settle, text } from './stage.ts'

const TEA = '/tea/1.0.0'

/** Two nodes, the second of which serves a protocol. */
async function pair(stage: Stage): Promise<{ a: Awaited<ReturnType<Stage['node']>>; b: Awaited<ReturnType<Stage['node']>> }> {
  return { a: await stage.node(), b: await stage.listener() }
}

/** The status of a stream once it has ended. */
async function endOf(stream: Stream): Promise<string> {
  await until('the stream has ended', () => stream.status !== 'open' && stream.status !== 'closing')
  return stream.status
}

export const PROTOCOLS: readonly Check[] = [
  check(
    'handle: serves a protocol, until unhandled',
    { protocols: ['/milk/1.0.0', TEA], opened: TEA, after: 'UnsupportedProtocolError' },
    async (stage) => {
      const { a, b } = await pair(stage)
      await b.handle([TEA, '/milk/1.0.0'], () => {})
      const protocols = b.getProtocols()
      const { protocol } = await a.dialProtocol(addressOf(b), TEA)
      await b.unhandle(TEA)
      return { protocols, opened: protocol, after: await errorOf(a.dialProtocol(addressOf(b), TEA)) }
    },
  ),

  check('handle: our protocols are in our own entry of the peer store', [[TEA], []], async (stage) => {
    const node = await stage.node()
    const own = async (): Promise<string[]> => (await node.peerStore.get(node.peerId)).protocols
    await node.handle(TEA, () => {})
    const seen = await own()
    await node.unhandle(TEA)
    return [seen, await own()]
  }),

  check('handle: a second handler is refused, unless forced', ['DuplicateProtocolHandlerError', 'no error', 'second'], async (stage) => {
    const { a, b } = await pair(stage)
    let heard = 'none'
    await b.handle(TEA, () => {
      heard = 'first'
    })
    const second = (): void => {
      heard = 'second'
    }
    const seen = [await errorOf(b.handle(TEA, second)), await errorOf(b.handle(TEA, second, { force: true }))]
    await a.dialProtocol(addressOf(b), TEA)
    await until('it is heard', () => heard !== 'none')
    return [...seen, heard]
  }),

  check('handle: unhandling what was not handled does nothing', 'no error', async (stage) => {
    const node = await stage.node()
    return await errorOf(node.unhandle(TEA))
  }),

  check(
    'handle: the handler has the stream, its protocol, and the connection',
    { protocol: TEA, direction: 'inbound', peer: 'a', isListed: true },
    async (stage) => {
      const { a, b } = await pair(stage)
      const seen = Promise.withResolvers<object>()
      await b.handle(TEA, (stream, connection) =>
        seen.resolve({
          protocol: stream.protocol,
          direction: stream.direction,
          peer: roleOf(connection.remotePeer, { a, b }),
          isListed: connection.streams.includes(stream),
        }),
      )
      await a.dialProtocol(addressOf(b), TEA)
      return await seen.promise
    },
  ),

  check('handle: one that throws ends the stream', 'reset', async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {
      throw new Error('no tea today')
    })
    return await endOf(await a.dialProtocol(addressOf(b), TEA))
  }),

  check('handle: one that rejects ends the stream, and not the connection', ['reset', 1], async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, async () => {
      await settle()
      throw new Error('no tea today')
    })
    return [await endOf(await a.dialProtocol(addressOf(b), TEA)), a.getConnections().length]
  }),

  check('dialProtocol: connects and opens a stream', { protocol: TEA, direction: 'outbound', status: 'open', peers: 1 }, async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    const { protocol, direction, status } = await a.dialProtocol(addressOf(b), TEA)
    return { protocol, direction, status, peers: a.getPeers().length }
  }),

  check('dialProtocol: of several, the first that both speak, in our order', ['/tea/2.0.0', '/tea/1.0.0'], async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(['/tea/1.0.0', '/tea/2.0.0'], () => {})
    const first = await a.dialProtocol(addressOf(b), ['/tea/3.0.0', '/tea/2.0.0', '/tea/1.0.0'])
    const second = await a.dialProtocol(addressOf(b), ['/tea/1.0.0', '/tea/2.0.0'])
    return [first.protocol, second.protocol]
  }),

  check('dialProtocol: one that is not spoken fails, and the connection stays', ['UnsupportedProtocolError', 1], async (stage) => {
    const { a, b } = await pair(stage)
    return [await errorOf(a.dialProtocol(addressOf(b), TEA)), a.getConnections().length]
  }),

  check('dialProtocol: none of several is spoken', 'UnsupportedProtocolError', async (stage) => {
    const { a, b } = await pair(stage)
    return await errorOf(a.dialProtocol(addressOf(b), [TEA, '/milk/1.0.0']))
  }),

  check('dialProtocol: no protocol at all', ['InvalidParametersError', 0], async (stage) => {
    const { a, b } = await pair(stage)
    return [await errorOf(a.dialProtocol(addressOf(b), [])), a.getConnections().length]
  }),

  check('dialProtocol: uses the connection that is there', 1, async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    await a.dial(addressOf(b))
    await a.dialProtocol(b.peerId, TEA)
    return a.getConnections().length
  }),

  check('dialProtocol: works both ways of one connection', TEA, async (stage) => {
    const { a, b } = await pair(stage)
    await a.handle(TEA, () => {})
    await a.dial(addressOf(b))
    await connected(a, b)
    return (await b.dialProtocol(a.peerId, TEA)).protocol
  }),

  check('dialProtocol: the protocol is kept with the peer, at both ends', [true, true], async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    await a.dialProtocol(addressOf(b), TEA)
    const knows = async (node: typeof a, peer: PeerId): Promise<boolean> =>
      (await node.peerStore.get(peer).catch(() => undefined))?.protocols.includes(TEA) === true
    await until('both know', async () => (await knows(a, b.peerId)) && (await knows(b, a.peerId)))
    return [await knows(a, b.peerId), await knows(b, a.peerId)]
  }),

  check('newStream: with a signal that has aborted', 'AbortError', async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    const connection = await a.dial(addressOf(b))
    return await errorOf(connection.newStream(TEA, { signal: AbortSignal.abort() }))
  }),

  check('newStream: on a connection that has closed', 'ConnectionClosedError', async (stage) => {
    const { a, b } = await pair(stage)
    const connection = await a.dial(addressOf(b))
    await connection.close()
    return await errorOf(connection.newStream(TEA))
  }),

  check('newStream: without a muxer', ['MuxerUnavailableError', 'none'], async (stage) => {
    const [a, b] = [await stage.node({ streamMuxers: [] }), await stage.listener({ streamMuxers: [] })]
    const connection = await a.dial(addressOf(b))
    return [await errorOf(connection.newStream(TEA)), connection.multiplexer ?? 'none']
  }),

  check('newStream: tells of its progress', ['connection:open-stream', 'connection:opened-stream'], async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    const seen: string[] = []
    await a.dialProtocol(addressOf(b), TEA, { onProgress: ({ type }) => void seen.push(type) })
    return seen.filter((type) => type.startsWith('connection:open-') || type.startsWith('connection:opened-'))
  }),

  check('newStream: can put off the negotiation until the first bytes', 'milk', async (stage) => {
    const { a, b } = await pair(stage)
    const heard = Promise.withResolvers<string>()
    await b.handle(TEA, (stream) => stream.addEventListener('message', ({ data }) => heard.resolve(text(data))))
    const stream = await a.dialProtocol(addressOf(b), TEA, { negotiateFully: false })
    stream.send(bytes('milk'))
    return await heard.promise
  }),

  check('limits: maxInboundStreams holds, and says so by a reset', { third: 'reset', served: 2 }, async (stage) => {
    const { a, b } = await pair(stage)
    let served = 0
    await b.handle(
      TEA,
      () => {
        served += 1
      },
      { maxInboundStreams: 2 },
    )
    const connection = await a.dial(addressOf(b))
    await connection.newStream(TEA)
    await connection.newStream(TEA)
    const third = await connection.newStream(TEA).then(endOf, nameOf)
    return { third, served }
  }),

  check('limits: a place is free again when its stream has closed', 'open', async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, async (stream) => await stream.close(), { maxInboundStreams: 1 })
    const connection = await a.dial(addressOf(b))
    const first = await connection.newStream(TEA)
    await first.close()
    const other = b.getConnections()[0]
    await until('it is gone', () => connection.streams.length === 0 && other?.streams.length === 0)
    const second = await connection.newStream(TEA)
    return second.status === 'open' || second.remoteWriteStatus === 'closed' ? 'open' : second.status
  }),

  check('limits: maxOutboundStreams of our handler holds', ['no error', TooManyOutboundProtocolStreamsError.name], async (stage) => {
    const { a, b } = await pair(stage)
    await a.handle(TEA, () => {}, { maxOutboundStreams: 1 })
    await b.handle(TEA, () => {})
    const connection = await a.dial(addressOf(b))
    return [await errorOf(connection.newStream(TEA)), await errorOf(connection.newStream(TEA))]
  }),

  check(
    'limits: maxOutboundStreams of a call holds where there is no handler',
    ['no error', 'TooManyOutboundProtocolStreamsError'],
    async (stage) => {
      const { a, b } = await pair(stage)
      await b.handle(TEA, () => {})
      const connection = await a.dial(addressOf(b))
      const open = async (): Promise<string> => await errorOf(connection.newStream(TEA, { maxOutboundStreams: 1 }))
      return [await open(), await open()]
    },
  ),

  check('limits: 32 streams in, 64 out, of one protocol on one connection, unless said otherwise', [32, 64], async (stage) => {
    const { a, b } = await pair(stage)
    let served = 0
    await b.handle(TEA, () => {
      served += 1
    })
    await b.handle('/milk/1.0.0', () => {}, { maxInboundStreams: 100 })
    const connection = await a.dial(addressOf(b))
    for (let index = 0; index < 34; index++) await connection.newStream(TEA).catch(() => {})
    await settle()
    let opened = 0
    for (let index = 0; index < 66; index++) {
      await connection.newStream('/milk/1.0.0').then(
        () => {
          opened += 1
        },
        () => {},
      )
    }
    return [served, opened]
  }),

  check('middleware: runs in order at both ends, before the handler', ['out 1', 'out 2', 'in 1', 'in 2', 'handler'], async (stage) => {
    const { a, b } = await pair(stage)
    const seen: string[] = []
    const note = (line: string) => (stream: Stream, connection: never, next: (stream: Stream, connection: never) => void) => {
      seen.push(line)
      next(stream, connection)
    }
    await b.handle(TEA, () => void seen.push('handler'))
    a.use(TEA, [note('out 1'), note('out 2')] as never)
    b.use(TEA, [note('in 1'), note('in 2')] as never)
    await a.dialProtocol(addressOf(b), TEA)
    await until('all have run', () => seen.length === 5)
    return [...seen.filter((line) => line.startsWith('out')), ...seen.filter((line) => !line.startsWith('out'))]
  }),

  check('middleware: may be given with the handler', ['in', 'handler'], async (stage) => {
    const { a, b } = await pair(stage)
    const seen: string[] = []
    await b.handle(TEA, () => void seen.push('handler'), {
      middleware: [
        (stream, connection, next) => {
          seen.push('in')
          next(stream, connection)
        },
      ],
    })
    await a.dialProtocol(addressOf(b), TEA)
    await until('it is handled', () => seen.includes('handler'))
    return seen
  }),

  check('middleware: may hand on another stream', 'wrapped', async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    a.use(TEA, (stream, connection, next) => next(Object.assign(Object.create(stream), { tea: 'wrapped' }), connection))
    const stream = await a.dialProtocol(addressOf(b), TEA)
    return Reflect.get(stream, 'tea')
  }),

  check('middleware: one that throws ends the stream', ['Error', 'reset'], async (stage) => {
    const { a, b } = await pair(stage)
    await b.handle(TEA, () => {})
    a.use(TEA, () => {
      throw new Error('no tea')
    })
    const outbound = await errorOf(a.dialProtocol(addressOf(b), TEA))
    a.unuse(TEA)
    b.use(TEA, () => {
      throw new Error('no tea')
    })
    return [outbound, await endOf(await a.dialProtocol(addressOf(b), TEA))]
  }),

  check('middleware: is not run any more once it is unused', 1, async (stage) => {
    const { a, b } = await pair(stage)
    let runs = 0
    await b.handle(TEA, () => {})
    a.use(TEA, (stream, connection, next) => {
      runs += 1
      next(stream, connection)
    })
    await a.dialProtocol(addressOf(b), TEA)
    a.unuse(TEA)
    await a.dialProtocol(addressOf(b), TEA)
    return runs
  }),

  check('topology: hears of peers that speak its protocol, and of their leaving', ['b came', 'b left'], async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen: string[] = []
    await b.handle(TEA, () => {})
    await a.register(TEA, {
      onConnect: (peer, connection) =>
        void seen.push(`${roleOf(peer, { a, b })} came`, ...(connection.remotePeer.equals(peer) ? [] : ['wrong'])),
      onDisconnect: (peer) => void seen.push(`${roleOf(peer, { a, b })} left`),
    })
    await a.dial(addressOf(b))
    await until('it has come', () => seen.length === 1)
    await a.hangUp(b.peerId)
    await until('it has left', () => seen.length === 2)
    return seen
  }),

  check('topology: hears nothing of peers that do not speak it', [], async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen: string[] = []
    await a.register(TEA, { onConnect: () => void seen.push('came'), onDisconnect: () => void seen.push('left') })
    await a.dial(addressOf(b))
    await until(
      'it is identified',
      async () => (await a.peerStore.get(b.peerId).catch(() => undefined))?.metadata.has('AgentVersion') === true,
    )
    await a.hangUp(b.peerId)
    await apart(a, b)
    return seen
  }),

  check('topology: hears of a peer that stops speaking it', ['came', 'left', 1], async (stage) => {
    const services = { identify: identify(), push: (await import('@libp2p/identify')).identifyPush() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen: string[] = []
    await b.handle(TEA, () => {})
    await a.register(TEA, { onConnect: () => void seen.push('came'), onDisconnect: () => void seen.push('left') })
    await a.dial(addressOf(b))
    await until('it has come', () => seen.length === 1)
    await b.unhandle(TEA)
    await until('it has left', () => seen.length === 2)
    return [...seen, a.getPeers().length]
  }),

  check('topology: is told nothing once it is unregistered', [], async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const seen: string[] = []
    await b.handle(TEA, () => {})
    a.unregister(await a.register(TEA, { onConnect: () => void seen.push('came') }))
    await a.dial(addressOf(b))
    await until('it is identified', async () => (await a.peerStore.get(b.peerId).catch(() => undefined))?.protocols.includes(TEA) === true)
    await settle()
    return seen
  }),

  check('topology: its filter keeps count of whom it was told of', { came: 1, added: ['b'], removed: ['b'] }, async (stage) => {
    const services = { identify: identify() }
    const [a, b] = [await stage.node({ services }), await stage.listener({ services })]
    const [held, added, removed] = [new Set<string>(), [] as string[], [] as string[]]
    let came = 0
    await b.handle(TEA, () => {})
    await a.register(TEA, {
      filter: {
        has: (peer) => held.has(peer.toString()),
        add: (peer) => {
          held.add(peer.toString())
          added.push(roleOf(peer, { a, b }))
        },
        remove: (peer) => {
          held.delete(peer.toString())
          removed.push(roleOf(peer, { a, b }))
        },
      },
      onConnect: () => {
        came += 1
      },
    })
    await a.dial(addressOf(b))
    await until('it has come', () => came === 1)
    await a.dial(addressOf(b), { force: true })
    await settle()
    for (const connection of a.getConnections()) await connection.close()
    await until('it has left', () => removed.length === 1)
    return { came, added, removed }
  }),

  check('limited connection: opens no stream, unless it is asked to', ['LimitedConnectionError', 'no error'], async (stage) => {
    const [a, b] = [await stage.node({ transports: [limited({ bytes: 1_000n })] }), await stage.listener()]
    await b.handle(TEA, () => {})
    const connection = await a.dial(addressOf(b))
    return [await errorOf(connection.newStream(TEA)), await errorOf(connection.newStream(TEA, { runOnLimitedConnection: true }))]
  }),

  check('limited connection: tells its limits', { bytes: '1000', seconds: 60 }, async (stage) => {
    const [a, b] = [await stage.node({ transports: [limited({ bytes: 1_000n, seconds: 60 })] }), await stage.listener()]
    const { limits } = await a.dial(addressOf(b))
    return { bytes: String(limits?.bytes), seconds: limits?.seconds }
  }),

  check('limited connection: a handler serves it only where it says so', { tea: 'reset', milk: 'served' }, async (stage) => {
    const [a, b] = [await stage.node({ transports: [limited({ seconds: 60 })] }), await stage.listener()]
    const served = Promise.withResolvers<string>()
    await a.handle(TEA, () => {})
    await a.handle('/milk/1.0.0', () => served.resolve('served'), { runOnLimitedConnection: true })
    await a.dial(addressOf(b))
    await connected(a, b)
    const tea = await b.dialProtocol(a.peerId, TEA).then(endOf, nameOf)
    await b.dialProtocol(a.peerId, '/milk/1.0.0').catch(() => {})
    return { tea, milk: await served.promise }
  }),

  check('limited connection: only a topology that asks for it hears of it', ['any'], async (stage) => {
    const services = { identify: identify({ runOnLimitedConnection: true }) }
    const [a, b] = [await stage.node({ services, transports: [limited({ seconds: 60 })] }), await stage.listener({ services })]
    const seen: string[] = []
    await b.handle(TEA, () => {})
    await a.register(TEA, { onConnect: () => void seen.push('unlimited') })
    await a.register(TEA, { notifyOnLimitedConnection: true, onConnect: () => void seen.push('any') })
    await a.dial(addressOf(b))
    await until('one has heard', () => seen.length > 0)
    await settle()
    return seen
  }),

  check(
    'limited connection: a direct one is dialed beside it, where it is needed',
    { limits: [true, false], stream: TEA },
    async (stage) => {
      const b = await stage.listener()
      const a = await stage.node({ transports: [limited({ seconds: 60 })] })
      await b.handle(TEA, () => {})
      await a.dial(addressOf(b))
      const stream = await a.dialProtocol(b.peerId, TEA, { runOnLimitedConnection: true })
      const c = await stage.node({ transports: [memory()] })
      const direct = await c.dial(addressOf(b))
      return { limits: [a.getConnections()[0]?.limits !== undefined, direct.limits !== undefined], stream: stream.protocol }
    },
  ),

  check('registrar: handlers by protocol, and an error where there is none', ['function', 'UnhandledProtocolError'], async (stage) => {
    const node = await stage.node({ services: { peek } })
    const { registrar } = node.services.peek.components
    await node.handle(TEA, () => {})
    const { handler } = registrar.getHandler(TEA)
    return [typeof handler, await errorOf((async () => registrar.getHandler('/milk/1.0.0'))())]
  }),
]
