/** A node at a glance. */
export interface NodeRow {
  readonly name: string
  readonly enode: string
  /** Nodes found. */
  readonly found: number
  readonly inbound: number
  readonly outbound: number
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** The last pings' round trips, the mean; undefined before the first. */
  readonly pingMs: number | undefined
}

/** A table as lines; the first is the heading. */
export interface TableOptions {
  /** Characters a line: columns that say least are left out where it is too narrow, and what is longer still is cut. */
  readonly columns: number
  /** Lines at most; nodes that do not fit are counted in the last. */
  readonly rows: number
}

const HEADING = ['node', 'enode', 'found', 'peers', 'in/out', 'messages in/out', 'bytes in/out', 'ping'] as const

/** Columns that hold numbers are flush right. */
const LEFT_COLUMNS = 2

/** Columns that a narrow terminal does without, the first ones first. */
const DISPENSABLE = (['enode', 'bytes in/out', 'messages in/out', 'in/out'] as const).map((name) => HEADING.indexOf(name))

const GAP = '  '

/** Renders nodes as a table. */
export function renderTable(nodes: readonly NodeRow[], { columns, rows }: TableOptions): string[] {
  const space = Math.max(1, rows - 1)
  const shownCount = nodes.length <= space ? nodes.length : space - 1
  const cells = [[...HEADING], ...nodes.slice(0, shownCount).map(cellsOf)]
  const widths = HEADING.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const shown = columnsThatFit(widths, columns)
  const pad = (cell: string, column: number): string =>
    column < LEFT_COLUMNS ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const lines = cells.map((row) => shown.map((column) => pad(row[column] ?? '', column)).join(GAP))
  const hidden = nodes.length - shownCount
  return [...lines, ...(hidden > 0 ? [`… and ${hidden} more`] : [])].map((line) => cut(line.trimEnd(), columns))
}

function columnsThatFit(widths: readonly number[], columns: number): number[] {
  let shown = widths.map((_, column) => column)
  for (const dispensable of DISPENSABLE) {
    const width = shown.reduce((sum, column) => sum + (widths[column] ?? 0), GAP.length * (shown.length - 1))
    if (width <= columns) break
    shown = shown.filter((column) => column !== dispensable)
  }
  return shown
}

/** `enode://1a2b3c4d…9f8e@127.0.0.1:30303`. */
export function shortEnode(enode: string): string {
  const [, key = '', rest = ''] = /^enode:\/\/([0-9a-f]+)(.*)$/.exec(enode) ?? []
  return key === '' ? enode : `enode://${key.slice(0, 8)}…${key.slice(-4)}${rest.replace(/\?discport=0$/, '')}`
}

/** `0 B`, `999 B`, `1.2 kB`, `34 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [bytes, 0]
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

function cellsOf(node: NodeRow): string[] {
  return [
    node.name,
    shortEnode(node.enode),
    String(node.found),
    String(node.inbound + node.outbound),
    `${node.inbound}/${node.outbound}`,
    `${node.messagesReceived}/${node.messagesSent}`,
    `${formatBytes(node.bytesReceived)}/${formatBytes(node.bytesSent)}`,
    node.pingMs === undefined ? '–' : `${node.pingMs.toFixed(1)} ms`,
  ]
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
}
