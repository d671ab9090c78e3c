import { type DuplexMethod, duplex } from '@kumiko/fabric-grpc'
import { ChaincodeMessage } from '@kumiko/fabric-protocol'

/** The chaincode dials the peer. */
export const registerMethod: DuplexMethod<ChaincodeMessage, ChaincodeMessage> = duplex(
  '/protos.ChaincodeSupport/Register',
  ChaincodeMessage,
  ChaincodeMessage,
)

/** The peer dials the chaincode. */
export const connectMethod: DuplexMethod<ChaincodeMessage, ChaincodeMessage> = duplex(
  '/protos.Chaincode/Connect',
  ChaincodeMessage,
  ChaincodeMessage,
)
