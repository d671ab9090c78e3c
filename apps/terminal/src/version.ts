import { readFileSync } from 'node:fs'

/** The version of the programs, which is that of all packages. Read here, so that `kumiko version` need not load a whole Host. */
export const VERSION: string = versionOf(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')))

function versionOf(manifest: unknown): string {
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown'
}
