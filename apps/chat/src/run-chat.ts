import { createInterface, type Interface } from 'node:readline'
import { styleText } from 'node:util'
import { type Fault, KumikoError, systemClock } from '@kumiko/interface'
import { aborted, type StopSignal, stopSignal, VERSION } from '@kumiko/terminal'
import type { ChatEvent } from './chat.ts'
import { type ChatConfig, type ChatHost, composeChat } from './compose.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { pastOf } from './history.ts'
import { LINE_MAX_BYTES, roomTag } from './message.ts'
import { writeAbove } from './prompt.ts'
import { jsonView, type TextViewOptions, textView, type View } from './view.ts'

/** Lines of the history that are shown at the start. */
const SHOWN_MAX = 20

/** Faults of peers that are shown a minute. */
const FAULTS_MAX = 8
const MINUTE_MS = 60_000

const HELP = '/who: who is here · /quit: leave · //…: say a line that begins with /'

/**
 * Chats until ctrl-C.
 *
 * @throws KumikoError of the data folder, or the part that could not start.
 */
export async function runChat(config: ChatConfig): Promise<void> {
  using stop = stopSignal()
  const tag = roomTag(config.rendezvous, config.protocol)
  await using folder = config.dataDir === undefined ? undefined : await openDataFolder(config.dataDir, tag)
  const terminal = config.isJson || !process.stdout.isTTY || !process.stdin.isTTY ? undefined : openTerminal()
  const view = viewOf(config, terminal)
  const shown = folder?.history.entries.slice(-SHOWN_MAX) ?? []
  const listener = new Listener(view, folder)
  const host = await composeChat(config, keptOf(folder), (event) => listener.tell(event))
  process.stdout.once('error', () => stop.stop())
  try {
    await host.start()
    view.started(startedOf(host, config), shown, () => host.services.chat.present())
    if (config.bootstrap.length === 0 && !config.hasMdns) view.notice('nobody to begin with: others must give one of these addresses')
    listener.open()
    await converse(host, view, terminal, stop)
  } finally {
    terminal?.close()
    process.stdin.pause()
    await host.stop()
  }
  view.stopped()
}

/** Keeps what happens, and shows it. */
class Listener {
  readonly #view: View
  /** In the last minute. */
  #faults: number[] = []
  #folder: DataFolder | undefined
  /** What happened before the start was told. */
  #early: ChatEvent[] | undefined = []

  constructor(view: View, folder: DataFolder | undefined) {
    this.#view = view
    this.#folder = folder
  }

  open(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const event of early) this.tell(event)
  }

  tell(event: ChatEvent): void {
    if (this.#early !== undefined) {
      this.#early.push(event)
      return
    }
    if (event.type !== 'fault') this.#keep(event)
    if (event.type !== 'fault' || this.#isNews(event.fault)) this.#view.event(event)
  }

  /** Who is in another room has met us in the DHT only. And nobody shall fill a screen with its faults. */
  #isNews({ fault }: Fault): boolean {
    const now = systemClock.now()
    this.#faults = this.#faults.filter((at) => at > now - MINUTE_MS)
    if (fault === 'chat/other-room' || this.#faults.length >= FAULTS_MAX) return false
    this.#faults.push(now)
    return true
  }

  #keep(event: Exclude<ChatEvent, { type: 'fault' }>): void {
    try {
      this.#folder?.history.keep(event)
    } catch (error) {
      this.#folder = undefined
      this.#view.notice(error instanceof KumikoError ? error.message : String(error))
    }
  }
}

function keptOf(folder: DataFolder | undefined): Parameters<typeof composeChat>[1] {
  if (folder === undefined) return undefined
  const { identity, datastore, history } = folder
  return { identity, datastore, past: pastOf(history.entries, identity.peerId.toString()) }
}

function startedOf(host: ChatHost, { rendezvous, name }: ChatConfig): Parameters<View['started']>[0] {
  const addresses = host.getMultiaddrs().map(String)
  return { version: VERSION, peerId: host.peerId.toString(), rendezvous, addresses, ...(name === undefined ? {} : { name }) }
}

/** A terminal whose last line is being typed. */
function openTerminal(): Interface {
  return createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
}

function viewOf({ isJson }: ChatConfig, terminal: Interface | undefined): View {
  const now = (): number => systemClock.now()
  const write = (line: string): void => void process.stdout.write(`${line}\n`)
  const style: TextViewOptions['style'] = (color, text) => styleText(color, text, { stream: process.stdout, validateStream: true })
  if (isJson) return jsonView(write, now)
  if (terminal === undefined) return textView({ write, style, now })
  const above = (line: string): void => writeAbove(terminal, process.stdout, line)
  return textView({ write: above, style, now })
}

/** Says what is typed, until ctrl-C or `/quit`. The end of a pipe ends what is said, not what is heard. */
async function converse(host: ChatHost, view: View, terminal: Interface | undefined, stop: StopSignal): Promise<void> {
  const lines = terminal ?? createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    if (terminal === undefined || !line.startsWith('/') || line.startsWith('//'))
      say(host, view, terminal === undefined ? line : line.replace(/^\/\//, '/'))
    else if (line === '/quit') stop.stop()
    else if (line === '/who') view.who(host.services.chat.present())
    else view.notice(HELP)
    terminal?.prompt()
  })
  terminal?.on('SIGINT', () => stop.stop())
  terminal?.on('close', () => stop.stop())
  terminal?.prompt()
  // Someone has to keep the process while nothing is typed: the sockets do.
  await aborted(stop.signal)
  lines.close()
}

function say(host: ChatHost, view: View, line: string): void {
  if (line.trim() === '') return
  const size = Buffer.byteLength(line)
  if (size > LINE_MAX_BYTES) view.notice(`not said: a line of ${size} bytes, at most ${LINE_MAX_BYTES}`)
  else host.services.chat.say(line)
}
