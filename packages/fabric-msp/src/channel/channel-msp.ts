import { type Fault, isFault } from '@kumiko/interface'
import { readMspConfig, X509Msp } from '../msp.ts'

/**
 * Makes the MSP of a channel's organisation, by the rules of channel capability V2_0 (`capabilities/channel.go`, `MSPVersion`): what
 * {@link channelBundle} takes.
 * @param bytes - `msp.MSPConfig`; copied.
 */
export function channelMsp(bytes: Uint8Array): X509Msp | Fault {
  const config = readMspConfig(bytes.slice())
  return isFault(config) ? config : X509Msp.from(config, 'V1_4_3')
}
