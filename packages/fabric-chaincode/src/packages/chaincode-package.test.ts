import { Buffer } from 'node:buffer'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { type Header, pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { packageId, readCode, readPackage } from './chaincode-package.ts'
import { readArchive, writeArchive } from './tar-archive.ts'
import { packageChaincode } from './write-package.ts'

/** Any archive, be it one that we would never write. */
async function archive(
  entries: readonly (readonly [Partial<Header> & { readonly name: string }, (string | Buffer)?])[],
): Promise<Uint8Array> {
  const writer = pack()
  for (const [header, content] of entries) writer.entry(header, content ?? '')
  writer.finalize()
  const parts: Uint8Array[] = []
  for await (const part of writer) parts.push(part as Uint8Array)
  return gzipSync(Buffer.concat(parts))
}

/** The archive with another type for its first entry. */
function withFlag(flag: string, source: Uint8Array): Uint8Array {
  const unpacked = gunzipSync(source)
  unpacked.write(flag, 156)
  // Its checksum is of all bytes, those of the checksum itself being spaces.
  unpacked.fill(' ', 148, 156)
  const sum = unpacked.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  unpacked.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return gzipSync(unpacked)
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('a package', () => {
  it('that a real peer ran is read, and called what the peer called it', async () => {
    const source = goldenFile('chaincode-package.tar.gz')
    const read = await readPackage(source)
    if (isFault(read)) throw new Error(read.detail)
    expect(read.metadata).toEqual({ type: 'ccaas', path: '', label: 'golden_1.0' })
    expect(packageId(read.metadata.label, source)).toBe('golden_1.0:6b7193aaec23e3c9893a0bb59ab18dafb24dfcbe2729473458edcf02bdbc9874')
    const files = await readCode(read.code)
    if (isFault(files)) throw new Error(files.detail)
    expect(files.map(({ name, content }) => [name, text(content)])).toEqual([
      ['connection.json', '{"address":"127.0.0.1:9999","dial_timeout":"10s","tls_required":false}'],
    ])
  })

  it('is made of the same bytes for the same code, and read as it was made', async () => {
    const files = new Map([
      ['b/index.js', 'b'],
      ['META-INF/statedb/couchdb/indexes/owner.json', '{"index":{"fields":["owner"]},"ddoc":"d","name":"n","type":"json"}'],
      ['a.js', 'a'.repeat(200_000)],
    ])
    const made = await packageChaincode({ label: 'x', type: 'node', files })
    expect(made).toEqual(await packageChaincode({ label: 'x', type: 'node', files: new Map([...files].reverse()) }))
    expect(made.packageId).toBe('x:ad32b7f813cb3f44926a49f04a14e867fc90e9b2a78b9783e15fdaebdf74f9e3')
    const read = await readPackage(made.bytes)
    if (isFault(read)) throw new Error(read.detail)
    expect(text(read.metadataBytes)).toBe('{"path":"","type":"node","label":"x"}')
    const code = await readCode(read.code)
    if (isFault(code)) throw new Error(code.detail)
    expect(new Map(code.map(({ name, content }) => [name, text(content)]))).toEqual(files)
  })

  it('is made of a folder as Fabric’s tool does it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-package-'))
    const index = '{"index":{"fields":["owner"]}}'
    for (const [name, content] of [
      ['package.json', '{}'],
      ['lib/asset.js', 'a'],
      ['node_modules/x/index.js', 'x'],
      ['.git/HEAD', 'x'],
      ['META-INF/statedb/couchdb/indexes/owner.json', index],
      ['META-INF/statedb/couchdb/indexes/.hidden', 'x'],
    ] as const) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), content)
    }
    const namesIn = async (type: string) => {
      const read = await readPackage((await packageChaincode({ label: 'x', type, path: folder })).bytes)
      const code = isFault(read) ? read : await readCode(read.code)
      if (isFault(code)) throw new Error(code.detail)
      return code.map(({ name }) => name)
    }
    const indexes = 'META-INF/statedb/couchdb/indexes/owner.json'
    expect(await namesIn('node')).toEqual([indexes, 'src/lib/asset.js', 'src/package.json'])
    expect(await namesIn('ccaas')).toEqual([indexes, 'lib/asset.js', 'package.json'])
    await rm(folder, { recursive: true })
  })

  it('is not made without code, of a bad label, or of an index that is none', async () => {
    const files = new Map([['a', 'a']])
    await expect(packageChaincode({ label: '', type: 'node', files })).rejects.toMatchObject({ code: 'fabric-chaincode/bad-label' })
    await expect(packageChaincode({ label: 'x', type: 'node', files: new Map() })).rejects.toMatchObject({
      code: 'fabric-chaincode/no-code',
    })
    const index = new Map([['META-INF/statedb/couchdb/indexes/owner.json', '{"index":{"fields":"owner"}}']])
    await expect(packageChaincode({ label: 'x', type: 'node', files: index })).rejects.toThrow('Expecting a JSON array of fields')
    const elsewhere = new Map([['META-INF/x.json', '{}']])
    await expect(packageChaincode({ label: 'x', type: 'node', files: elsewhere })).rejects.toThrow(
      'metadata file path must begin with META-INF/statedb, found: META-INF/',
    )
  })

  it('is refused in Fabric’s words', async () => {
    const metadata = [{ name: 'metadata.json' }, '{"type":"node","label":"a"}'] as const
    // Entries' texts are written as UTF-8: so a gzip stream is none.
    const code = [{ name: 'code.tar.gz' }, Buffer.from(await writeArchive([], { uid: 0, gid: 0 }))] as const
    const refusal = async (source: Uint8Array) => {
      const read = await readPackage(source)
      return isFault(read) ? read.detail : 'read'
    }
    expect(await refusal(new Uint8Array())).toBe('error reading as gzip stream: EOF')
    expect(await refusal(Uint8Array.of(0x1f, 0x8b))).toBe('error reading as gzip stream: unexpected EOF')
    expect(await refusal(Buffer.from('no archive at all'))).toBe('error reading as gzip stream: gzip: invalid header')
    expect(await refusal(gzipSync(Buffer.alloc(1024, 7)))).toMatch(/^error inspecting next tar header: /)
    expect(await refusal(await archive([]))).toBe('did not find a code package inside the package')
    expect(await refusal(await archive([code]))).toBe('did not find any package metadata (missing metadata.json)')
    expect(await refusal(await archive([[{ name: 'metadata.json' }, '['], code]))).toBe('could not unmarshal metadata.json as json')
    expect(await refusal(await archive([[{ name: 'metadata.json' }, '{"label":1}'], code]))).toMatch(
      /^could not unmarshal metadata.json as json/,
    )
    expect(await refusal(await archive([[{ name: 'metadata.json' }, '{"label":"../a"}'], code]))).toMatch(
      /^invalid label '\.\.\/a'\. Label must be/,
    )
    expect(await refusal(await archive([metadata, code, [{ name: 'a', type: 'symlink', linkname: 'b' }]]))).toBe(
      'tar entry a is not a regular file, type 50',
    )
    expect(await refusal(await archive([metadata, code, [{ name: 'a', type: 'directory' }]]))).toBe(
      'tar entry a is not a regular file, type 53',
    )
    expect(await refusal(withFlag('S', await archive([[{ name: 'a' }], metadata, code])))).toBe(
      'tar entry a is not a regular file, type unknown',
    )
    expect(await refusal(await archive([metadata, [{ name: 'code.tar.gz' }, 'a text, and no archive']]))).toBe(
      'error retrieving DB artifacts from code package: gzip: invalid header',
    )
    expect(await refusal(await archive([[{ name: 'metadata.json' }, '{"Type":"node","LABEL":"a","path":null}'], code]))).toBe('read')
    expect(await refusal(await archive([metadata, code, [{ name: 'other' }, 'is passed over']]))).toBe('read')
  })
})

describe('code', () => {
  const refusal = async (entries: readonly (readonly [Partial<Header> & { readonly name: string }, (string | Buffer)?])[]) => {
    const read = await readCode(await archive(entries))
    return isFault(read) ? read.detail : read.map(({ name }) => name)
  }

  it('stays in its folder', async () => {
    for (const name of ['/etc/passwd', '../a', 'a/../../b', 'a/../..', 'C:/a', 'a\\..\\..\\b']) {
      expect(await refusal([[{ name }, 'x']])).toBe(`tar contains the absolute or escaping path '${name}'`)
    }
    expect(await refusal([[{ name: './a/../b' }, 'x'], [{ name: 'c/', type: 'directory' }], [{ name: 'c/d' }, 'x']])).toEqual(['b', 'c/d'])
  })

  it('is files, none in the way of another', async () => {
    const flags = [
      ['symlink', '50'],
      ['link', '49'],
      ['fifo', '54'],
      ['character-device', '51'],
    ] as const
    for (const [type, flag] of flags) {
      expect(await refusal([[{ name: 'a', type, linkname: '/etc/passwd' }]])).toBe(
        `invalid file type '${flag}' contained in archive for file 'a'`,
      )
    }
    expect(
      await refusal([
        [{ name: 'a' }, 'x'],
        [{ name: 'a/b' }, 'x'],
      ]),
    ).toBe("could not create directory 'a'")
  })

  it('may be run where its owner said so', async () => {
    const read = await readCode(
      await archive([
        [{ name: 'a', mode: 0o755 }, 'x'],
        [{ name: 'b', mode: 0o644 }, 'x'],
      ]),
    )
    expect(read).toMatchObject([{ isExecutable: true }, { isExecutable: false }])
  })
})

describe('archives', () => {
  it('are not unpacked beyond their limits', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    expect(bomb.length).toBeLessThan(20_000)
    expect(await readArchive(bomb, { bytesMax: 1_000_000, entriesMax: 10 })).toMatchObject({ fault: 'fabric-chaincode/bad-archive' })
    const many = await archive(Array.from({ length: 11 }, (_, at) => [{ name: `${at}` }] as const))
    expect(await readArchive(many, { bytesMax: 1_000_000, entriesMax: 10 })).toMatchObject({ detail: 'it has more than 10 entries' })
  })

  it('are read as they were written, whatever their size', async () => {
    for (const size of [0, 1, 511, 512, 65_535, 65_536, 300_000]) {
      const content = new Uint8Array(size).fill(7)
      const source = await writeArchive([{ name: 'a', content }], { uid: 0, gid: 0 })
      expect(gunzipSync(source).length % 512).toBe(0)
      const read = await readArchive(source)
      expect(isFault(read) || read.map((entry) => [entry.name, entry.type, Buffer.compare(entry.content, content)])).toEqual([
        ['a', 'file', 0],
      ])
    }
  })
})
