// Usage: npm run lock, after each `npm install` that adds something. npm leaves out of package-lock.json what it could not fetch of other
// platforms' binaries, and `npm ci` then refuses the file. This puts them in, without a checksum.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Entry {
  readonly version?: string
  readonly dev?: boolean
  readonly license?: string
  readonly engines?: Readonly<Record<string, string>>
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly os?: readonly string[]
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const OS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)\b/
const CPU = /\b(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)\b/
const MUSL = /musl/

const path = join(import.meta.dirname, '../../../package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> }

let added = 0
for (const [folder, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(folder, name)) continue
    lock.packages[placeOf(folder, name)] = platformEntry(name, version, entry)
    added++
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')))
if (added > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${added} added`)

/** Looks as Node does: in the folder's own node_modules, then in those above. */
function isLocked(folder: string, name: string): boolean {
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (`${at === '' ? '' : `${at}/`}node_modules/${name}` in lock.packages) return true
    if (at === '') return false
  }
}

function placeOf(folder: string, name: string): string {
  return folder.startsWith('node_modules/') && !folder.includes('/node_modules/')
    ? `node_modules/${name}`
    : `${folder}/node_modules/${name}`
}

function platformEntry(name: string, version: string, { dev, license, engines }: Entry): Entry {
  const [os, cpu] = [OS.exec(name)?.[0], CPU.exec(name)?.[0]]
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new Error(`${name}@${version} is not locked, and is not for one platform: run npm install where it can be fetched`)
  }
  const libc = os === 'linux' && !name.includes('gnueabi') ? { libc: [MUSL.test(name) ? 'musl' : 'glibc'] } : {}
  return {
    version,
    cpu: [cpu],
    ...(dev === undefined ? {} : { dev }),
    ...libc,
    ...(license === undefined ? {} : { license }),
    optional: true,
    os: [os],
    ...(engines === undefined ? {} : { engines }),
  }
}
