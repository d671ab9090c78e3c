export { type NodeDb, type NodeDbNeeds, type NodeDbOptions, nodeDb, type OpenNodeDbOptions, openNodeDb } from './node-db.ts'
