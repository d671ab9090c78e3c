export * from './contract.ts'
export * from './method.ts'
export * from './rpc-error.ts'
