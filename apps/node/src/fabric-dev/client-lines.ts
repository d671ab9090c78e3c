import { join } from 'node:path'
import { type Devnet, nodePath, organizationPath, userPath } from '@kumiko/fabric-devnet'

/** Where the files of a network are that clients read: `organizations` in its folder. */
const ORGANIZATIONS = 'organizations'

/**
 * What to paste into a client of `@hyperledger/fabric-gateway`.
 * @param contract - Its name. @returns None where the network has no organisation with a peer.
 */
export function clientLines({ folder, network }: Devnet, contract: string): readonly string[] {
  const [first] = network.organizations
  const [peer] = first?.peers ?? []
  const user = first?.organization.users.find(({ unit }) => unit === 'client') ?? first?.organization.admin
  if (first === undefined || peer === undefined || user === undefined) return []
  const { organization } = first
  const msp = `\`\${org}/${userPath(user)}/msp`
  return [
    "import { createPrivateKey } from 'node:crypto'",
    "import { readFileSync } from 'node:fs'",
    "import * as grpc from '@grpc/grpc-js'",
    "import { connect, signers } from '@hyperledger/fabric-gateway'",
    '',
    `const org = ${JSON.stringify(join(folder, ORGANIZATIONS, organizationPath(organization)))}`,
    `const tlsRoot = readFileSync(\`\${org}/${nodePath(organization, peer)}/tls/ca.crt\`)`,
    `const client = new grpc.Client('${peer.address}', grpc.credentials.createSsl(tlsRoot))`,
    'const gateway = connect({',
    '  client,',
    `  identity: { mspId: '${organization.mspId}', credentials: readFileSync(${msp}/signcerts/${user.name}-cert.pem\`) },`,
    `  signer: signers.newPrivateKeySigner(createPrivateKey(readFileSync(${msp}/keystore/priv_sk\`))),`,
    '})',
    `const contract = gateway.getNetwork('${network.channelId}').getContract('${contract}')`,
  ]
}
