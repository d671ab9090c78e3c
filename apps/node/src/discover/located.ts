import { nodeFromParts, parseIp, systemLookup } from '@kumiko/identity'
import { codeOf, KumikoError, type NodeRecord } from '@kumiko/interface'

/** A node under the IP addresses that its name has now; itself where it is known by IP. @throws KumikoError `node/unknown-name`. */
export async function located(node: NodeRecord): Promise<NodeRecord> {
  if (node.endpoints.every(({ host }) => parseIp(host) !== undefined)) return node
  const endpoints = await Promise.all(
    node.endpoints.map(async (endpoint) => (await addressesOf(endpoint.host)).map((host) => ({ ...endpoint, host }))),
  )
  return nodeFromParts({ publicKey: node.publicKey, endpoints: endpoints.flat() })
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (parseIp(host) !== undefined) return [host]
  try {
    return await systemLookup(host, 0)
  } catch (cause) {
    const why = codeOf(cause) ?? String(cause)
    const message = `no IP address is known of "${host}" (${why}): correct the name, or give the IP address`
    throw new KumikoError('node/unknown-name', message, { context: { host }, cause })
  }
}
