import 'leaf/deep'
export { key } from '@planted/keys'
export * from '@planted/ledger'
export const undeclared = await import('stray')
export const named = await import(`leaf`)
import '../../keys/src/key.ts'
import '@planted/lab'
import '@planted/wire'
setInterval(() => {}, 1)
