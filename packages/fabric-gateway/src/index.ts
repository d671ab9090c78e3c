export * from './contract.ts'
export * from './gateway.ts'
export * from './service.ts'
