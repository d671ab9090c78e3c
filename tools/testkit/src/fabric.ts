export { Authority } from './fabric-authority.ts'
export { type Credential, issue, issueCa, revoke, type Wanted } from './fabric-certificates.ts'
export { bundleOf, channelProfile, collection, genesisOf, organizationProfile, signaturePolicyBytes } from './fabric-channel.ts'
