import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CONFIG_KEYS, envName } from '../src/config/keys.ts'
import { schemaPaths } from '../src/config/schema.ts'

test('the README tells of every key of the schema, its flag and its variable', async () => {
  const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8')
  const rows = readme.split('\n').filter((line) => line.startsWith('| `'))
  const rowOf = (path: string): string => rows.find((row) => row.startsWith(`| \`${path}\` `)) ?? ''
  for (const path of schemaPaths()) expect(rowOf(path), path).not.toBe('')
  for (const key of CONFIG_KEYS) {
    expect(rowOf(key.path)).toContain(`\`${key.flag.split(/[ ,]/)[0]}\``)
    expect(rowOf(key.path)).toContain(`\`${envName(key)}\``)
  }
})
