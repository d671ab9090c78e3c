import { describe, expect, it } from 'vitest'
import { jsonView, textView, type View } from './view.ts'

const NOW = Date.parse('2026-03-01T12:00:00')
const started = { version: '1', peerId: '16Uiu2HAmSelf01', name: 'me', rendezvous: 'tea', addresses: ['/ip4/127.0.0.1/tcp/1'] }
const ann = { peer: '16Uiu2HAmPeer02', name: 'ann' } as const

function shown(use: (view: View) => void, present: Parameters<View['who']>[0] = []): string[] {
  const lines: string[] = []
  const view = textView({ write: (line) => lines.push(line), style: (_color, text) => text, now: () => NOW })
  view.started({ ...started, addresses: [] }, [], () => present)
  lines.length = 0
  use(view)
  return lines
}

describe('what a person sees', () => {
  it('is a line for each event, but not what was typed', () => {
    const lines = shown((view) => {
      view.event({ type: 'joined', ...ann, seen: 0, isBack: false })
      view.event({ type: 'joined', ...ann, seen: 0, isBack: true })
      view.event({ type: 'line', ...ann, at: NOW, text: 'hi' })
      view.event({ type: 'line', peer: started.peerId, at: NOW, text: 'mine' })
      view.event({ type: 'line', peer: ann.peer, at: NOW - 3_600_000, text: 'late' })
      view.event({ type: 'line', ...ann, at: NOW - 864e5, text: 'later' })
      view.event({ type: 'line', ...ann, at: Number.MAX_SAFE_INTEGER, text: 'never' })
      view.event({ type: 'left', ...ann, isForGood: true })
      view.event({ type: 'fault', peer: ann.peer, fault: { fault: 'chat/line-too-long', detail: 'a line of more than 16384 bytes' } })
    })
    expect(lines).toEqual([
      '+ ann joined',
      '+ ann is back',
      'ann: hi',
      '~Peer02 (11:00): late',
      'ann (2026-02-28 12:00): later',
      'ann (?): never',
      '− ann left',
      '! ~Peer02 was cut off: a line of more than 16384 bytes',
    ])
  })

  it('tells apart two of one name, and who takes ours', () => {
    const twin = { peer: '16Uiu2HAmPeer03', name: 'ann' } as const
    const present = [ann, twin].map((one) => ({ ...one, kind: 'kumiko' as const }))
    expect(shown((view) => view.event({ type: 'line', ...ann, at: NOW, text: 'hi' }), present)).toEqual(['ann~Peer02: hi'])
    expect(shown((view) => view.event({ type: 'line', peer: twin.peer, name: 'me', at: NOW, text: 'hi' }))).toEqual(['me~Peer03: hi'])
    expect(shown((view) => view.event({ type: 'line', peer: twin.peer, name: 'ann~Peer02', at: NOW, text: 'hi' }), present)).toEqual([
      'ann~Peer02~Peer03: hi',
    ])
  })

  it('steers no terminal', () => {
    const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCodePoint(code)).join('')
    const [line = ''] = shown((view) => view.event({ type: 'line', peer: ann.peer, name: all, at: NOW, text: all }))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(line).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
  })
})

describe('what a machine sees', () => {
  it('is one value a line', () => {
    const lines: string[] = []
    const view = jsonView(
      (line) => lines.push(line),
      () => 0,
    )
    view.started(started, [{ type: 'line', ...ann, at: 1, text: 'old' }], () => [])
    view.event({ type: 'line', ...ann, at: 2, text: 'a\nb' })
    view.event({ type: 'line', peer: started.peerId, at: 3, text: 'mine' })
    view.event({ type: 'fault', peer: ann.peer, fault: { fault: 'chat/no-hello' } })
    view.stopped()
    expect(lines.every((line) => !line.includes('\n'))).toBe(true)
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { event: 'started', time: '1970-01-01T00:00:00.000Z', ...started },
      { event: 'history', ...ann, at: 1, text: 'old' },
      { event: 'line', ...ann, at: 2, text: 'a\nb' },
      { event: 'said', peer: started.peerId, at: 3, text: 'mine' },
      { event: 'fault', peer: ann.peer, fault: 'chat/no-hello' },
      { event: 'stopped' },
    ])
  })
})
