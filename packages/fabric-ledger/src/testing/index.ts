export * from './state-database-contract.ts'
