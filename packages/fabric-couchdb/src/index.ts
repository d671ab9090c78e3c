export type { CouchClientOptions } from './couch-client.ts'
export * from './couch-state-database.ts'
