export { BLOCK_FILE_SIZE_MAX, type BlockFilesOptions } from './block-files.ts'
export { BlockStore, type BlockStoreOptions, type ChainInfo, type ProcessedTransaction } from './block-store.ts'
export * from './file-system.ts'
