// import 'node:comment'
import type { Stats } from 'node:fs'
import type { Wire } from '@planted/wire'
import * as self from './index.ts'

/* import 'node:comment' */
export type Foreign = import('@planted/wire').Wire
export const text = "import 'node:string'"
export const made = { Date: 1, setTimeout: 2 }.Date
export const now = (): number => Date.now() + Math.random() + performance.now()
export const later = (when: Date): unknown => globalThis.setTimeout?.(() => when)
export const all: [Stats?, Wire?, unknown?] = [undefined, undefined, self]
