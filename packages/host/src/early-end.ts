import type { Stream } from '@libp2p/interface'

/**
 * Has a stream's end noticed that came before anyone could read: go-libp2p sends the protocol, the data and the end of a short request at once.
 * js-libp2p's streams tell their end once only, so that iterating over one whose end has gone by waits for ever.
 *
 * @param stream - Its protocol is settled, and it is about to be handed out. Changed in place.
 */
export function tellEarlyEnd(stream: Stream): void {
  if (stream.remoteWriteStatus !== 'closed' || stream.status !== 'open') return
  if (stream.readBufferLength === 0) stream.readStatus = 'closed'
  else stream.addEventListener('end', () => stream.dispatchEvent(new Event('remoteCloseWrite')), { once: true })
}
