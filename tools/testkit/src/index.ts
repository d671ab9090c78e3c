export * from './clock.ts'
export * from './random.ts'
export * from './virtual-network.ts'
export type { VirtualStream } from './virtual-stream.ts'
