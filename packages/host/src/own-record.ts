import type { Clock, Millis } from '@kumiko/interface'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import type { AddressManager } from '@libp2p/interface-internal'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { storedForm } from './stored-form.ts'

/** What signing our record needs. */
export interface OwnRecordComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly addressManager: Pick<AddressManager, 'getAddresses'>
  readonly clock: Clock
}

/** Signed anew after so long, in case whoever reads it wants to know that it still holds. */
const RENEW_MS: Millis = 600_000

interface Signed {
  readonly addresses: string
  readonly at: Millis
  readonly envelope: Promise<Uint8Array>
}

/** Our signed peer record, made anew when our addresses have changed: identify tells it to everybody. */
export class OwnRecord {
  readonly #components: OwnRecordComponents
  #signed: Signed | undefined

  constructor(components: OwnRecordComponents) {
    this.#components = components
  }

  /** @returns The envelope that holds it; undefined while we have no address. */
  async envelope(): Promise<Uint8Array | undefined> {
    const { addressManager, peerId, clock } = this.#components
    const multiaddrs = addressManager.getAddresses().map((address) => storedForm(address, peerId))
    if (multiaddrs.length === 0) return undefined
    const [addresses, now] = [multiaddrs.join(' '), clock.now()]
    if (this.#signed?.addresses === addresses && now - this.#signed.at < RENEW_MS) return await this.#signed.envelope
    const envelope = this.#sign(new PeerRecord({ peerId, multiaddrs }))
    this.#signed = { addresses, at: now, envelope }
    // A key that is elsewhere may be there the next time.
    envelope.catch(() => {
      if (this.#signed?.envelope === envelope) this.#signed = undefined
    })
    return await envelope
  }

  async #sign(record: PeerRecord): Promise<Uint8Array> {
    const envelope = await RecordEnvelope.seal(record, this.#components.privateKey)
    return envelope.marshal().subarray()
  }
}
