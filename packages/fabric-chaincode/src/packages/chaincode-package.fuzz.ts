import { Buffer } from 'node:buffer'
import { gzipSync } from 'node:zlib'
import { goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { readCode, readPackage } from './chaincode-package.ts'
import { readArchive, writeArchive } from './tar-archive.ts'

const limits = { bytesMax: 100_000, entriesMax: 100 }
const bytes = fc.uint8Array({ maxLength: 2000 })
const golden = goldenFile('chaincode-package.tar.gz')

/** Whether a name stays below the folder that it is put in, by what a path means. */
function staysBelow(name: string): boolean {
  return name !== '' && !name.startsWith('/') && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

describe('packages', () => {
  it('of any bytes are read, or at fault', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (source) => {
        expect(isFault(await readPackage(source, limits))).toBe(true)
        const packed = await readArchive(gzipSync(source), limits)
        expect(isFault(packed) || packed.length <= source.length / 512).toBe(true)
      }),
    )
  })

  it('that were damaged are read, or at fault', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(golden.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const source = golden.slice()
        source[at] = (source[at] ?? 0) ^ flip
        const read = await readPackage(source, limits)
        if (!isFault(read)) await readCode(read.code, limits)
      }),
    )
  })

  it('hold code that stays in its folder', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b', 'C:', '\\', '\0')
    const name = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'))
    const type = fc.constantFrom('file', 'directory', 'symlink', 'link' as const)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, type), { minLength: 1, maxLength: 5 }), async (entries) => {
        const writer = pack()
        for (const [each, kind] of entries) {
          // A name that tar has no place for is refused by its writer.
          if (each !== '' && !each.includes('\0')) writer.entry({ name: each, type: kind as 'file', linkname: '/etc' }, '')
        }
        writer.finalize()
        const parts: Uint8Array[] = []
        for await (const written of writer) parts.push(written as Uint8Array)
        const read = await readCode(gzipSync(Buffer.concat(parts)), limits)
        if (!isFault(read)) for (const file of read) expect(staysBelow(file.name)).toBe(true)
      }),
    )
  })

  it('are read as they were written', async () => {
    const file = fc.tuple(fc.stringMatching(/^[a-z]{1,150}$/), bytes)
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(file, { selector: ([name]) => name, maxLength: 5 }), async (files) => {
        const source = await writeArchive(
          files.map(([name, content]) => ({ name, content })),
          { uid: 500, gid: 500 },
        )
        const read = await readCode(source, limits)
        if (isFault(read)) throw new Error(read.detail)
        expect(read.map(({ name, content }) => [name, new Uint8Array(content)])).toEqual(files)
      }),
    )
  })
})
