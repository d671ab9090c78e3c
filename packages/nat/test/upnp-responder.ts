import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { UdpEndpoint } from '@kumiko/interface'

/** How a gateway behaves. */
export interface UpnpBehaviour {
  /** Of InternetGatewayDevice. Default 2. */
  version?: 1 | 2
  /** The service's type. Default: WANIPConnection of the same version. */
  service?: string
  /** Default 198.51.100.7. */
  externalIp?: string
  /** Ports that are somebody else's. */
  taken?: number[]
  /** Refuses leases that end. */
  isPermanentOnly?: boolean
  /** What it says where its description is. Default: where it is. */
  location?: string
  /** In place of its description. */
  description?: string
  /** Answers no HTTP request. */
  isSilent?: boolean
}

/** A UPnP gateway on loopback, or on an address of a network of our own. */
export interface UpnpResponder {
  /** Where it hears searches. */
  readonly ssdp: UdpEndpoint
  readonly location: URL
  /** `TCP 30303` → client and lease in seconds. */
  readonly mappings: Map<string, { client: string; port: number; leaseS: number; description: string }>
  /** Actions so far, with their arguments. */
  readonly calls: string[]
  readonly behaviour: UpnpBehaviour
  close(): Promise<void>
}

/** @param multicast - Joined at `ip` and heard on port 1900; else searches are heard on a port of loopback. */
export async function upnpResponder(behaviour: UpnpBehaviour = {}, ip = '127.0.0.1', multicast?: string): Promise<UpnpResponder> {
  const { version = 2 } = behaviour
  const service = behaviour.service ?? `urn:schemas-upnp-org:service:WANIPConnection:${version}`
  const mappings: UpnpResponder['mappings'] = new Map()
  const calls: string[] = []

  const server = createServer(async (request, response) => {
    const body = await textOf(request)
    if (behaviour.isSilent) return
    const send = (status: number, xml: string): void =>
      void response.writeHead(status, { 'content-type': 'text/xml; charset="utf-8"' }).end(xml)
    if (request.method === 'GET') return send(200, behaviour.description ?? description(version, service))
    const action = /#(\w+)"/.exec(`${request.headers.soapaction}`)?.[1] ?? ''
    const argument = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''
    const key = `${argument('NewProtocol')} ${argument('NewExternalPort')}`
    const refuse = (code: number): void => send(500, fault(code))
    const isAny = action === 'AddAnyPortMapping'
    calls.push(`${action} ${key}`.trim())
    if (!`${request.headers.soapaction}`.startsWith(`"${service}#`)) return refuse(401)
    if (action === 'GetExternalIPAddress') {
      return send(200, answer(service, action, { NewExternalIPAddress: behaviour.externalIp ?? '198.51.100.7' }))
    }
    if (action === 'DeletePortMapping') return mappings.delete(key) ? send(200, answer(service, action, {})) : refuse(714)
    if (action !== 'AddPortMapping' && !(isAny && version === 2)) return refuse(401)
    if (behaviour.isPermanentOnly && argument('NewLeaseDuration') !== '0') return refuse(725)
    const isTaken = behaviour.taken?.includes(Number(argument('NewExternalPort'))) === true
    if (isTaken && !isAny) return refuse(718)
    const external = Number(argument('NewExternalPort')) + (isTaken ? 1000 : 0)
    mappings.set(`${argument('NewProtocol')} ${external}`, {
      client: argument('NewInternalClient'),
      port: Number(argument('NewInternalPort')),
      leaseS: Number(argument('NewLeaseDuration')),
      description: argument('NewPortMappingDescription'),
    })
    send(200, answer(service, action, isAny ? { NewReservedPort: `${external}` } : {}))
  })
  server.listen(0, ip)
  await once(server, 'listening')
  const location = new URL(`http://${ip}:${(server.address() as AddressInfo).port}/root.xml`)

  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  if (multicast === undefined) socket.bind(0, ip)
  else socket.bind(1900, '0.0.0.0', () => socket.addMembership(multicast, ip))
  await once(socket, 'listening')
  socket.on('message', (packet, from) => {
    const type = /\r\nST: (\S+)/.exec(packet.toString())?.[1] ?? ''
    if (!packet.toString().startsWith('M-SEARCH * HTTP/1.1\r\n') || !type.endsWith(`InternetGatewayDevice:${version}`)) return
    const lines = [
      'HTTP/1.1 200 OK',
      'CACHE-CONTROL: max-age=120',
      `ST: ${type}`,
      `USN: uuid:1::${type}`,
      'EXT:',
      'SERVER: test/1 UPnP/1.1 test/1',
    ]
    const where = behaviour.location ?? location.href
    socket.send(`${[...lines, `Location: ${where}`].join('\r\n')}\r\n\r\n`, from.port, from.address)
  })
  return {
    ssdp: { ip: multicast ?? ip, port: socket.address().port },
    location,
    mappings,
    calls,
    behaviour,
    async close() {
      socket.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** As routers nest it: the service is in a device within a device within the root. */
function description(version: number, service: string): string {
  const device = (type: string, inner: string): string =>
    `<device><deviceType>urn:schemas-upnp-org:device:${type}:${version}</deviceType><UDN>uuid:1</UDN>${inner}</device>`
  const services = (type: string, path: string): string =>
    `<serviceList><service><serviceType>${type}</serviceType><serviceId>urn:upnp-org:serviceId:1</serviceId><controlURL>${path}</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>`
  const wan = device('WANConnectionDevice', services(service, '/ctl/IPConn?a=1&amp;b=2'))
  const common = services('urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1', '/ctl/CmnIfCfg')
  const root = device(
    'InternetGatewayDevice',
    `<deviceList>${device('WANDevice', `${common}<deviceList>${wan}</deviceList>`)}</deviceList>`,
  )
  return `<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>${root}</root>`
}

function answer(service: string, action: string, values: Record<string, string>): string {
  const inner = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:${action}Response xmlns:u="${service}">${inner.join('')}</u:${action}Response></s:Body></s:Envelope>`
}

function fault(code: number): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode><errorDescription>No &lt;luck&gt;</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`
}
