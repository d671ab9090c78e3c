export type { FabricIdentity, Msp, MspFault, MspManager, MspPrincipal, MspRole, SimplePrincipal } from './contract.ts'
