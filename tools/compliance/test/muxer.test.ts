import { capabilityMuxer } from '@kumiko/rlpx'
import muxerSuite from '@libp2p/interface-compliance-tests/stream-muxer'
import { defaultLogger } from '@libp2p/logger'
import { offerMocha } from './mocha.ts'

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
