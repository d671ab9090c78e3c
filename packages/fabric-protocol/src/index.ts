export * from './message.ts'
export * from './utf8-order.ts'
export * from './wire.ts'
