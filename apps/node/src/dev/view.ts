import type { Output } from '../output.ts'
import type { DevNode } from './neighbourhood.ts'
import { type DevEvent, describeMissing, type MissingPair } from './progress.ts'
import { type NodeRow, renderTable } from './table.ts'

/** How far the neighbourhood is. */
export interface DevState {
  readonly bootnode: DevNode
  readonly nodes: readonly DevNode[]
  /** Pairs of nodes in all. */
  readonly pairs: number
  readonly missing: readonly MissingPair[]
  /** Since the command began. */
  readonly elapsedMs: number
}

/** Shows what happens. */
export interface DevView {
  event(event: DevEvent): void
  /** For the first time, nothing is missing. */
  complete(state: DevState): void
  /** The time is up, and something is missing. */
  late(state: DevState): void
  /** Now and then, while it runs. */
  refresh(state: DevState): void
  end(): void
}

/** The view that fits the output. */
export function devView(output: Output): DevView {
  if (output.isJson) return jsonView(output)
  return output.isLive ? liveView(output) : lineView(output)
}

/** `4 nodes found each other through one bootnode: 6 connections, every one with messages both ways, in 0.4 s`. */
function summaryOf({ nodes, pairs, elapsedMs }: DevState): string {
  const connections = `${pairs} ${pairs === 1 ? 'connection' : 'connections'}`
  return `${nodes.length} nodes found each other through one bootnode: ${connections}, ${pairs === 1 ? 'with' : 'every one with'} messages both ways, in ${seconds(elapsedMs)}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function jsonView(output: Output): DevView {
  const through = new Set<string>()
  return {
    event: (event) => {
      // Pings go on for ever: only the first answer of each kind is news.
      if (event.event === 'answered') {
        const key = `${event.node} ${event.peer} ${event.capability}`
        if (through.has(key)) return
        through.add(key)
      }
      if (event.event === 'disconnected') for (const name of ['echo', 'pingpong']) through.delete(`${event.node} ${event.peer} ${name}`)
      output.json(event)
    },
    complete: ({ nodes, pairs, elapsedMs }) => output.json({ event: 'complete', nodes: nodes.length, connections: pairs, elapsedMs }),
    late: ({ missing, elapsedMs }) => output.json({ event: 'late', missing, elapsedMs }),
    refresh: () => {},
    end: () => output.json({ event: 'stopped' }),
  }
}

function lineView(output: Output): DevView {
  return {
    event: (event) => {
      if (event.event === 'listening') output.line(`${event.node} listens at ${event.enode}`)
      if (event.event === 'connected' && event.direction === 'outbound') output.line(`${event.node} connected to ${event.peer}`)
      if (event.event === 'disconnected') output.line(`${event.node} lost ${event.peer}`)
    },
    complete: (state) => {
      for (const { name, host } of state.nodes) output.line(`${name} is connected to ${peerNames(state, host).join(', ')}`)
      output.line(summaryOf(state))
    },
    late: ({ missing, elapsedMs }) => output.line(`after ${seconds(elapsedMs)} there is still missing: ${describeMissing(missing)}`),
    refresh: () => {},
    end: () => {},
  }
}

function peerNames({ nodes }: DevState, host: DevNode['host']): string[] {
  const connected = new Set(host.connectionManager.peers().map(({ peerId }) => peerId.toString()))
  return nodes.filter((node) => connected.has(node.host.peerId.toString())).map(({ name }) => name)
}

const STOPS = '; ctrl-C stops'

/** Draws the table over itself, and gives the cursor back at the end. */
function liveView(output: Output): DevView {
  let drawn = 0
  let isHidden = false
  let completed: DevState | undefined
  const draw = (state: DevState): void => {
    const { columns, rows } = output.size
    const table = renderTable([state.bootnode, ...state.nodes].map(rowOf), { columns, rows: Math.max(2, rows - 3) })
    const through = state.pairs - state.missing.length
    const short = `${through} of ${state.pairs} connections with messages both ways, ${seconds((completed ?? state).elapsedMs)}${STOPS}`
    const long = completed === undefined ? short : `${summaryOf(completed)}${STOPS}`
    const line = (long.length <= columns ? long : short).slice(0, columns)
    const lines = [
      output.style('bold', table[0] ?? ''),
      ...table.slice(1),
      '',
      output.style(through === state.pairs ? 'green' : 'yellow', line),
    ]
    const up = drawn === 0 ? '\x1b[?25l' : `\x1b[${drawn}A\r`
    isHidden = true
    output.write(`${up}\x1b[J${lines.join('\n')}\n`)
    drawn = lines.length
  }
  return {
    event: () => {},
    complete: (state) => {
      completed ??= state
      draw(state)
    },
    late: draw,
    refresh: draw,
    end: () => {
      if (isHidden) output.write('\x1b[?25h')
    },
  }
}

function rowOf({ name, host, found, pingMs }: DevNode): NodeRow {
  const peers = host.connectionManager.peers()
  const inbound = peers.filter(({ connections }) => connections[0]?.direction === 'inbound').length
  const pings = [...pingMs.values()]
  const traffic = host.connectionManager.traffic()
  return {
    name,
    enode: host.identity.enode,
    found: found(),
    inbound,
    outbound: peers.length - inbound,
    messagesReceived: traffic.messagesReceived,
    messagesSent: traffic.messagesSent,
    bytesReceived: traffic.bytesReceived,
    bytesSent: traffic.bytesSent,
    pingMs: pings.length === 0 ? undefined : pings.reduce((sum, ms) => sum + ms, 0) / pings.length,
  }
}
