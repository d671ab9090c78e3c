import { echo } from '@libp2p/echo'
import { describe, expect, test } from 'vitest'
import { KINDS, start, startHost } from './nodes.ts'

describe.each(KINDS)('echo with a %s', (kind) => {
  test('gives back what was sent, both ways', async () => {
    const services = () => ({ echo: echo() })
    const [ours, theirs] = [await startHost({ services: services() }), await start(kind, { services: services() })]
    await ours.dial(theirs.getMultiaddrs())
    const data = Uint8Array.from({ length: 300_000 }, (_, index) => index)
    expect(new Uint8Array((await ours.services.echo.echo(theirs.peerId, data)).subarray())).toEqual(data)
    expect(new Uint8Array((await theirs.services.echo.echo(ours.peerId, data)).subarray())).toEqual(data)
  })
})
