import { createHost, type HostOptions } from '@kumiko/host'
import type { ConnectionEncrypter } from '@libp2p/interface'
import encryptionSuite from '@libp2p/interface-compliance-tests/connection-encryption'
import { noise } from '@libp2p/noise'
import { plaintext } from '@libp2p/plaintext'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { describe } from 'vitest'
import { offerMocha } from './mocha.ts'

offerMocha()

const ENCRYPTERS: [protocol: string, part: NonNullable<HostOptions['connectionEncrypters']>[number]][] = [
  ['/noise', noise()],
  ['/tls/1.0.0', tls()],
]

describe.each(ENCRYPTERS)('%s, as the upgrader of a Host has it', (protocol, part) => {
  encryptionSuite({
    setup: async (keys) => {
      const { privateKey } = keys as { privateKey: NonNullable<HostOptions['privateKey']> }
      const host = await createHost({ privateKey, connectionEncrypters: [part], streamMuxers: [yamux()] })
      return found(host.components.upgrader.getConnectionEncrypters().get(protocol))
    },
    teardown: async () => {},
  })
})

describe('/plaintext/2.0.0, with the components of a Host', () => {
  encryptionSuite({
    // A Host with a key that was given refuses it, so the key comes besides.
    setup: async (keys) => {
      const { components } = await createHost()
      return plaintext()({ ...components, ...(keys as Pick<typeof components, 'privateKey'>) })
    },
    teardown: async () => {},
  })
})

function found(encrypter: ConnectionEncrypter | undefined): ConnectionEncrypter {
  if (encrypter === undefined) throw new Error('the Host does not have the encrypter that it was given')
  return encrypter
}
