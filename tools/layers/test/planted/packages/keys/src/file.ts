import { readFileSync } from 'node:fs'

export const read = () => readFileSync('key').length + Date.now()
