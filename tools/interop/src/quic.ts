/** Loads the QUIC transport, which is a native module. @returns Undefined where there is none for this machine. */
export async function loadQuic(): Promise<typeof import('@chainsafe/libp2p-quic') | undefined> {
  try {
    return await import('@chainsafe/libp2p-quic')
  } catch {
    return undefined
  }
}
