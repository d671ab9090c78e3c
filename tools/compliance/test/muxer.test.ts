import { createHost } from '@kumiko/host'
import { capabilityMuxer } from '@kumiko/rlpx'
import muxerSuite from '@libp2p/interface-compliance-tests/stream-muxer'
import { defaultLogger } from '@libp2p/logger'
import { yamux } from '@libp2p/yamux'
import { describe } from 'vitest'
import { offerMocha } from './mocha.ts'

describe('/yamux/1.0.0, as the upgrader of a Host has it', () => {
  offerMocha()
  muxerSuite({
    setup: async () => {
      const { components } = await createHost({ streamMuxers: [yamux()] })
      const factory = components.upgrader.getStreamMuxers().get('/yamux/1.0.0')
      if (factory === undefined) throw new Error('the Host does not have the muxer that it was given')
      return factory
    },
    teardown: async () => {},
  })
})

describe('the muxer of RLPx', () => {
  offerMocha({
    only: [
      'should have a protocol',
      'should be open',
      'should be closing during closing',
      'should be closed after closing',
      'calling newStream after close throws an error',
    ],
  })
  muxerSuite({
    setup: async () =>
      capabilityMuxer({ channels: [], direction: 'outbound', log: defaultLogger().forComponent('compliance'), isHandled: () => false }),
    teardown: async () => {},
  })
})
