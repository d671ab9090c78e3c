/** Which chaincode another one calls. */
export interface ChaincodeInstance {
  readonly name: string
  /** Empty for the caller's. */
  readonly channelId: string
}

/** Reads a name as chaincodes give it: `name:version/channel`. The version is not looked at. @see Fabric `core/chaincode/handler.go` ParseName */
export function parseChaincodeName(text: string): ChaincodeInstance {
  const slash = text.indexOf('/')
  const [instance, channelId] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)]
  const [name = ''] = instance.split(':', 1)
  return { name, channelId }
}
