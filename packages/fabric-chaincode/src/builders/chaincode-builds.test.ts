import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GrpcListener, serve } from '@kumiko/fabric-grpc'
import { goldenFile } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectMethod } from '../connectors/methods.ts'
import { type ChaincodePackage, readPackage } from '../packages/chaincode-package.ts'
import { packageChaincode } from '../packages/write-package.ts'
import { builtChaincodes } from './built-chaincodes.ts'
import { ccaasBuilder } from './ccaas-builder.ts'
import { ChaincodeBuilds } from './chaincode-builds.ts'
import { externalBuilder } from './external-builder.ts'
import type { PackageBuilder, PeerConnection } from './package-builder.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-builds-'))
})
afterEach(() => rm(folder, { recursive: true }))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const connection: PeerConnection = {
  address: '127.0.0.1:7052',
  tls: { client: { certificate: bytes('c'), privateKey: bytes('k') }, root: bytes('r') },
}
const index = '{"index":{"fields":["owner"]},"name":"owner"}'

async function read(source: Uint8Array): Promise<ChaincodePackage> {
  const package_ = await readPackage(source)
  if (isFault(package_)) throw new Error(package_.detail)
  return package_
}

async function packageOf(type: string, files: Readonly<Record<string, string>>): Promise<ChaincodePackage> {
  return await read((await packageChaincode({ label: 'a', type, files: new Map(Object.entries(files)) })).bytes)
}

/** A builder of shell programs, each step's text. */
async function shellBuilder(steps: Readonly<Record<string, string>>, more: Partial<Parameters<typeof externalBuilder>[0]> = {}) {
  const path = join(folder, 'builder')
  await mkdir(join(path, 'bin'), { recursive: true })
  for (const [name, script] of Object.entries(steps)) {
    await writeFile(join(path, 'bin', name), `#!/bin/sh\n${script}\n`)
    await chmod(join(path, 'bin', name), 0o700)
  }
  return externalBuilder({ name: 'shell', path, mspId: 'Org1MSP', ...more })
}

const builds = (...builders: PackageBuilder[]) => ChaincodeBuilds.open({ folder: join(folder, 'builds'), builders })

describe('packages of type ccaas', () => {
  it('are dialed where they say, as the golden channel’s', async () => {
    const made = await builds(ccaasBuilder())
    await made.build('golden_1.0:6b', await read(goldenFile('chaincode-package.tar.gz')))
    expect(await made.server('golden_1.0:6b')).toEqual({ endpoint: { address: '127.0.0.1:9999' }, dialTimeoutMs: 10_000 })
    expect(await readdir(join(folder, 'builds'))).toEqual(['golden_1.0-6b'])
    expect(JSON.parse(await readFile(join(folder, 'builds', 'golden_1.0-6b', 'build-info.json'), 'utf8'))).toEqual({
      builder_name: 'ccaas_builder',
    })
    expect(await (await builds(ccaasBuilder())).has('golden_1.0:6b')).toBe(true)
  })

  it('are filled in from the peer’s configuration, and bring indexes', async () => {
    const configuration = '{"peername":"org1peer1","port":{"cc":9999}}'
    const made = await builds(ccaasBuilder(configuration))
    const files = {
      'connection.json': '{"address":"{{.peername}}_cc:{{ .port.cc }}","dial_timeout":"10s"}',
      'META-INF/statedb/couchdb/indexes/owner.json': index,
      'META-INF/statedb/couchdb/collections/secret/indexes/owner.json': index,
    }
    await made.build('a:1', await packageOf('CCAAS', files))
    expect(await made.server('a:1')).toMatchObject({ endpoint: { address: 'org1peer1_cc:9999' } })
    expect((await made.indexes('a:1')).map(({ collection, definition }) => [collection, definition])).toEqual([
      ['secret', index],
      [undefined, index],
    ])
    const absent = await packageOf('ccaas', { 'connection.json': '{"address":"{{.other}}"}' })
    await expect(made.build('a:2', absent)).rejects.toThrow('Failed to parse the address field template')
    await expect(made.build('a:3', await packageOf('ccaas', { x: '' }))).rejects.toThrow('connection.json not found')
    expect(await readdir(join(folder, 'builds'))).toEqual(['a-1'])
  })

  it('whose code is no archive are told of', async () => {
    const made = await builds(ccaasBuilder())
    const package_ = { ...(await packageOf('ccaas', { x: '' })), code: bytes('no archive') }
    await expect(made.build('a:1', package_)).rejects.toThrow(
      'external builder failed: could not create build context: could not untar source package: ',
    )
  })

  it('are the only ones that need no external builder', async () => {
    const made = await builds(ccaasBuilder())
    await expect(made.build('a:1', await packageOf('golang', { x: '' }))).rejects.toMatchObject({ code: 'fabric-chaincode/no-builder' })
  })
})

describe('external builders', () => {
  const steps = {
    detect: 'grep -q "special" "$2/metadata.json"',
    build: 'cp "$1/x" "$3/built"; echo "building $SECRET $GIVEN" >&2',
    release: 'mkdir -p "$2/statedb/couchdb/indexes"; echo "$(cat $1/built)" > "$2/statedb/couchdb/indexes/a.json"',
    run: 'cp "$2/chaincode.json" "$OUT/seen.json"; cat "$1/built" > "$OUT/ran"',
  }

  it('detect, build, release and run, seeing what they were promised', async () => {
    const lines: string[] = []
    const log = Object.assign((_: string, ...args: unknown[]) => void lines.push(args.join(' ')), {
      error: () => {},
      trace: () => {},
      enabled: true,
      newScope: (): Logger => log,
    })
    const logger = { forComponent: () => log }
    const environment = { PATH: process.env.PATH, SECRET: 'secret', GIVEN: 'given', OUT: folder }
    const builder = await shellBuilder(steps, { environment, propagateEnvironment: ['GIVEN', 'OUT'], logger })
    const made = await builds(builder, ccaasBuilder())
    await made.build('a:1', await packageOf('special', { x: index }))
    expect(lines).toEqual(['shell build building  given'])
    expect(await made.server('a:1')).toBeUndefined()
    expect(await made.indexes('a:1')).toMatchObject([{ collection: undefined, name: 'META-INF/statedb/couchdb/indexes/a.json' }])
    await made.run('a:1', connection, new AbortController().signal)
    expect(JSON.parse(await readFile(join(folder, 'seen.json'), 'utf8'))).toEqual({
      chaincode_id: 'a:1',
      peer_address: '127.0.0.1:7052',
      client_cert: 'c',
      client_key: 'k',
      root_cert: 'r',
      mspid: 'Org1MSP',
    })
    expect(await readFile(join(folder, 'ran'), 'utf8')).toBe(index)
  })

  it('that fail leave nothing, and their status is told', async () => {
    const made = await builds(await shellBuilder({ detect: 'exit 0', build: 'echo "no compiler" >&2; exit 3' }))
    await expect(made.build('a:1', await packageOf('x', { x: '' }))).rejects.toMatchObject({
      message: "external builder failed: external builder failed to build: external builder 'shell' failed: exit status 3",
      context: { lines: ['no compiler'] },
    })
    expect(await readdir(join(folder, 'builds'))).toEqual([])
    const releasing = await builds(await shellBuilder({ build: 'exit 0', release: 'kill -9 $$' }))
    await expect(releasing.build('a:1', await packageOf('x', { x: '' }))).rejects.toThrow(
      "external builder failed: external builder failed to release: builder 'shell' release failed: signal: killed",
    )
  })

  it('are ended, with what they started, when the peer stops', async () => {
    const environment = { PATH: process.env.PATH, OUT: folder }
    const run = '(while true; do date > "$OUT/alive"; sleep 0.05; done) & echo up > "$OUT/up"; wait; wait'
    const builder = await shellBuilder({ ...steps, release: 'exit 0', run }, { environment, propagateEnvironment: ['OUT'] })
    const made = await builds(builder)
    await made.build('a:1', await packageOf('special', { x: '' }))
    const running = made.run('a:1', connection, new AbortController().signal)
    running.catch(() => {})
    while (!(await readdir(folder)).includes('alive')) await sleep(10)
    await made.stop()
    await expect(running).rejects.toThrow("builder 'shell' run failed: signal: terminated")
    await rm(join(folder, 'alive'), { force: true })
    await sleep(200)
    await expect(made.run('a:1', connection, new AbortController().signal)).rejects.toThrow('the peer stops')
    expect(await readdir(folder)).not.toContain('alive')
  })

  it('that take too long are ended', async () => {
    const builder = await shellBuilder({ detect: 'exit 0', build: 'sleep 60' })
    const made = await ChaincodeBuilds.open({ folder: join(folder, 'builds'), builders: [builder], buildTimeoutMs: 50 })
    await expect(made.build('a:1', await packageOf('x', { x: '' }))).rejects.toThrow("external builder 'shell' failed: signal: terminated")
  })

  it('do not have the peer read what they link to', async () => {
    await writeFile(join(folder, 'private.json'), index)
    const release = `mkdir -p "$2/statedb/couchdb/indexes" "$2/chaincode/server"
      ln -s "${folder}/private.json" "$2/statedb/couchdb/indexes/a.json"
      ln -s "${folder}/private.json" "$2/chaincode/server/connection.json"`
    const made = await builds(await shellBuilder({ detect: 'exit 0', build: 'exit 0', release }))
    await made.build('a:1', await packageOf('x', { x: '' }))
    expect([await made.indexes('a:1'), await made.server('a:1')]).toEqual([[], undefined])
  })

  it('that are no more are missed', async () => {
    await (await builds(ccaasBuilder())).build('a:1', await packageOf('ccaas', { 'connection.json': '{"address":"a:1"}' }))
    const made = await builds()
    expect(await made.has('a:1')).toBe(false)
    const gone = "chaincode 'a:1' was already built with builder 'ccaas_builder', but that builder is no longer available"
    await expect(made.build('a:1', await packageOf('ccaas', { x: '' }))).rejects.toThrow(
      `external builder failed: existing build could not be restored: ${gone}`,
    )
    await expect(made.run('a:1', connection, new AbortController().signal)).rejects.toThrow(gone)
  })
})

describe('ChaincodeBuilds', () => {
  it('begins anew what a crash left', async () => {
    await mkdir(join(folder, 'builds', '.building-0', 'src'), { recursive: true })
    await mkdir(join(folder, 'builds', 'a-1'))
    await writeFile(join(folder, 'builds', 'a-1', 'build-info.json'), '')
    await symlink('/nowhere', join(folder, 'builds', 'a-1', 'bld'))
    const made = await builds(ccaasBuilder())
    expect(await made.has('a:1')).toBe(false)
    await made.build('a:1', await packageOf('ccaas', { 'connection.json': '{"address":"a:1"}' }))
    expect(await made.server('a:1')).toMatchObject({ endpoint: { address: 'a:1' } })
    expect(await readdir(join(folder, 'builds'))).toEqual(['a-1'])
  })
})

describe('builtChaincodes', () => {
  it('dials what serves, and builds it first where it was not', async () => {
    await using chaincode = new GrpcListener({ listen: '127.0.0.1:0' })
    chaincode.add(serve(connectMethod, async () => {}))
    await chaincode.start()
    const { bytes: source } = await packageChaincode({
      label: 'a',
      type: 'ccaas',
      files: new Map([['connection.json', JSON.stringify({ address: chaincode.address })]]),
    })
    const made = await builds(ccaasBuilder())
    const connector = builtChaincodes({
      store: { has: (packageId) => packageId === 'a:1', load: async () => source },
      builds: made,
      connection: () => connection,
    })
    expect([await connector.runs('a:1'), await connector.runs('b:1')]).toEqual([true, false])
    let attached = 0
    await connector.launch('a:1', { attach: async () => void attached++ }, new AbortController().signal)
    expect([attached, await made.has('a:1')]).toEqual([1, true])
  })

  /** What is told of a chaincode that a builder of these steps is to run. */
  async function failureOf(steps: Readonly<Record<string, string>>): Promise<unknown> {
    const builder = await shellBuilder({ detect: 'exit 0', build: 'exit 0', ...steps })
    const { bytes: source } = await packageChaincode({ label: 'a', type: 'x', files: new Map([['x', '']]) })
    const made = await builds(builder)
    const connector = builtChaincodes({ store: { has: () => true, load: async () => source }, builds: made, connection: () => connection })
    const launched = connector.launch('a:1', { attach: async () => {} }, new AbortController().signal)
    return await launched.catch((error: unknown) => (error instanceof Error ? error.message : error)).finally(() => made.remove('a:1'))
  }

  it('runs what does not, and tells in Fabric’s words why it does not run', async () => {
    const exited = 'chaincode registration failed: failed to wait on container exit'
    expect(await failureOf({ run: 'exit 4' })).toBe(`${exited}: builder 'shell' run failed: exit status 4`)
    expect(await failureOf({ run: 'exit 0' })).toBe('chaincode registration failed: container exited with 0')
    const building = 'error building chaincode: error building image: external builder failed'
    expect(await failureOf({ build: 'exit 2' })).toBe(
      `${building}: external builder failed to build: external builder 'shell' failed: exit status 2`,
    )
    const release = 'mkdir -p "$2/chaincode/server"; echo "{}" > "$2/chaincode/server/connection.json"'
    expect(await failureOf({ release })).toBe('error building chaincode: chaincode address not provided')
  })
})
