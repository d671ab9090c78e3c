export * from './discovery.ts'
export * from './discovery-service.ts'
export * from './endorsement-plan.ts'
export { pkiIdOf } from './peer-message.ts'
