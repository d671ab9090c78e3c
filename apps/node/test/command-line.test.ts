import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createProgram } from '../src/program.ts'
import { cli, temporaryFolder } from './cli.ts'

const SECRET = '07'.repeat(32)

test('every command has help with examples', () => {
  const visit = (command: ReturnType<typeof createProgram>): string[] => {
    let help = ''
    command.configureOutput({
      writeOut: (text) => {
        help += text
      },
    })
    command.outputHelp()
    const rest = command.commands.filter((inner) => inner.name() !== 'help').flatMap(visit)
    return [help.includes('\nExamples:\n  $ kumiko') && command.description() !== '' ? '' : command.name(), ...rest]
  }
  expect(visit(createProgram()).filter((name) => name !== '')).toEqual([])
})

test('help and version', async () => {
  expect(await cli(['node', 'start', '--help'])).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('Usage: kumiko node start'),
    stderr: '',
  })
  expect(await cli(['--version'])).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^kumiko \d+\.\d+\.\d+\n$/) })
  const { stdout } = await cli(['version', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ node: process.versions.node })
})

test('a key is made once, whole, for its owner only, and not shown', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'a', 'nodekey')
  const made = JSON.parse((await cli(['key', 'new', '--out', file, '--json'])).stdout) as Record<string, string>
  const secret = (await readFile(file, 'utf8')).trim()
  if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600)
  const inspected = await cli(['key', 'inspect', file])
  expect(inspected.stdout).toContain(made.nodeId)
  expect(inspected.stdout + JSON.stringify(made)).not.toContain(secret)
  expect((await cli(['key', 'inspect', '-', '--secret'], { stdin: secret })).stdout).toContain(secret)

  expect(await cli(['key', 'new', '--out', file])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('exists') })
  expect((await readFile(file, 'utf8')).trim()).toBe(secret)
  expect((await cli(['key', 'new', '--out', file, '--force'])).exitCode).toBe(0)
  expect((await readFile(file, 'utf8')).trim()).not.toBe(secret)
})

test('records and URLs go through all forms and back', async () => {
  const enr = (
    await cli(['enr', 'encode', SECRET, '--seq', '7', '--ip', '10.0.0.1', '--tcp', '30303', '--udp', '30301', '--entry', 'zz=c20102'])
  ).stdout
  const decoded = JSON.parse((await cli(['enr', 'decode', '-', '--json'], { stdin: enr })).stdout) as Record<string, unknown>
  expect(decoded).toMatchObject({ seq: '7', isValid: true })
  expect(decoded.entries).toContainEqual({ key: 'zz', text: '[0x01, 0x02]', rlp: 'c20102' })
  const enode = (await cli(['enode', 'make', SECRET, '--host', '10.0.0.1', '--tcp', '30303', '--udp', '30301'])).stdout.trim()
  expect(decoded.enode).toBe(enode)
  expect((await cli(['enr', 'verify', enr.trim()])).exitCode).toBe(0)
  const inspected = await cli(['enode', 'inspect', enode])
  expect(inspected.stdout).toContain('10.0.0.1, TCP 30303, UDP 30301')
  expect(inspected.stdout).toContain(decoded.peerId)
})

const BAD: readonly (readonly [string, readonly string[], 1 | 2, RegExp])[] = [
  ['an unknown flag', ['dev', '--onec'], 2, /unknown option '--onec' \(Did you mean --once\?\); see kumiko dev --help/],
  ['an unknown command', ['deb'], 2, /unknown command 'deb' \(Did you mean dev\?\); see kumiko --help/],
  ['an unknown command of a command', ['node', 'strat'], 2, /unknown command 'strat' \(Did you mean start\?\); see kumiko node --help/],
  ['a missing argument', ['enr', 'decode'], 2, /missing required argument 'enr'/],
  ['too many arguments', ['version', 'x'], 2, /too many arguments/],
  ['too few nodes', ['dev', '--nodes', '1'], 2, /Want a whole number from 2 to 64/],
  ['no number', ['dev', '--timeout', 'soon'], 2, /Want a number above 0, at most 3600/],
  ['no room for the ports', ['dev', '--port', '65535'], 2, /--port 65535 leaves no room for 8 nodes: want at most 65527/],
  ['a port out of range', ['enode', 'make', SECRET, '--host', '10.0.0.1', '--tcp', '65536'], 2, /Want a whole number from 1 to 65535/],
  ['a port without a host', ['enode', 'make', SECRET, '--tcp', '1'], 2, /a port is nothing without --host/],
  ['a bad host', ['enode', 'make', SECRET, '--host', '[::1]'], 2, /bad --host "\[::1\]"/],
  [
    'a flag of the configuration out of range',
    ['node', 'start', '--max-peers', '0'],
    2,
    /--max-peers: maxPeers: want a whole number from 1 to 10000, not 0/,
  ],
  [
    'a bad static node',
    ['node', 'start', '--static', 'enode://00'],
    1,
    /--static: staticNodes\[0\]: bad enode URL "enode:\/\/00": invalid public key/,
  ],
  ['a bad enode', ['enode', 'inspect', 'enode://00@1.1.1.1:1'], 1, /bad enode URL .* want 128 hex digits/],
  ['a bad ENR', ['enr', 'decode', 'enr:AAAA'], 1, /bad ENR: .*; nothing can be read from it/],
  ['text that steers the terminal', ['enode', 'inspect', '\x1b[2J'], 1, /bad node "\\x1b\[2J"/],
  ['a record that does not verify', ['enr', 'verify', 'enr:wA'], 1, /the record is not valid: incomplete list/],
  ['an entry that is no RLP', ['enr', 'encode', SECRET, '--entry', 'a=ff'], 1, /bad entry "a" for the node record/],
  ['a missing key file', ['key', 'inspect', 'nowhere'], 1, /no key file "nowhere": make one or correct the path/],
  [
    'a key of the wrong length, which is not shown',
    ['key', 'inspect', '07'.repeat(31)],
    1,
    /bad secret key of 62 characters: want 64 hex digits, or a key file$/,
  ],
  ['nothing on stdin', ['enr', 'decode', '-'], 1, /stdin holds nothing/],
  ['a missing config file', ['node', 'start', '--config', 'nowhere.yaml'], 1, /cannot read config file "nowhere\.yaml" \(ENOENT\)/],
]

test.concurrent.each(BAD)('%s: one line and exit code', async (_, args, exitCode, line) => {
  const outcome = await cli(args)
  expect(outcome).toMatchObject({ exitCode, stdout: '' })
  expect(outcome.stderr.trim().split('\n')).toEqual([expect.stringMatching(line)])
  expect(outcome.stderr).toMatch(/^kumiko: /)
})

test('a folder that cannot be used, and a key file that is none, are left as they are', async () => {
  await using folder = await temporaryFolder()
  const start = async (...args: string[]): Promise<string> => {
    const { exitCode, stderr } = await cli(['node', 'start', '--listen-addr', '127.0.0.1:0', ...args])
    expect([exitCode, stderr.trim().split('\n').length]).toEqual([1, 1])
    return stderr
  }
  const path = join(folder.path, 'data')
  await mkdir(path)
  await writeFile(join(path, 'nodekey'), 'hello\n')
  expect(await start('--data-dir', path)).toContain('bad key file')
  expect(await readFile(join(path, 'nodekey'), 'utf8')).toBe('hello\n')
  expect(await start('--data-dir', join(path, 'nodekey'))).toContain('(it is a file): choose another with --data-dir')
  await writeFile(join(path, 'bad.yaml'), 'maxPeers: [\n')
  expect(await start('--data-dir', path, '--config', join(path, 'bad.yaml'))).toContain('bad.yaml:')
  if (process.platform === 'win32' || process.getuid?.() === 0) return
  await chmod(join(path, 'nodekey'), 0)
  expect(await start('--data-dir', path)).toContain('make it readable')
})

test('--verbose shows the stack', async () => {
  const { stderr } = await cli(['enode', 'inspect', 'enode://00', '--verbose'])
  expect(stderr).toMatch(/^kumiko: bad enode URL.*\nKumikoError: .*\n\s+at /)
})

test('who stops reading is not written to any more', async () => {
  const piped = async (args: string, reader: string) =>
    await promisify(execFile)('/bin/sh', ['-c', `"${process.execPath}" --conditions=@kumiko/source src/main.ts ${args} | ${reader}`], {
      cwd: join(import.meta.dirname, '..'),
    })
  const dev = await piped('dev', 'head -n 1')
  expect(dev).toEqual({ stdout: expect.stringMatching(/^bootnode listens at enode:\/\/\S+\n$/), stderr: '' })
  expect(await piped('node start --help', 'true')).toEqual({ stdout: '', stderr: '' })
})
