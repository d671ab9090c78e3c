// Usage: node tools/packaging/src/main.ts [folder under packages …]. Checks all packages, or those and no others, as their users get them:
// one line a check, exit code 1 if any fails.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Outcome, run } from './command.ts'
import { examplesOf } from './readme.ts'
import { ROUND_TRIP } from './round-trip.ts'
import { pack, type Tarball } from './tarball.ts'

/** The oldest Node that is supported, from npm. */
const NODE_22 = 'node@22'

/** What can run a contract's test: how the test comes by `expect` and `it`, and what of Node runs it. */
const RUNNERS = [
  { runner: 'vitest', imports: "import { expect, it } from 'vitest'", args: ['node_modules/.bin/vitest', 'run'] },
  { runner: 'jest', imports: "import { expect, it } from '@jest/globals'", args: ['--experimental-vm-modules', 'node_modules/.bin/jest'] },
  { runner: 'node:test', imports: "import { it } from 'node:test'\nimport { expect } from 'expect'", args: ['--test', 'contract.test.ts'] },
] as const

const root = join(import.meta.dirname, '../../..')
const bin = join(root, 'node_modules/.bin')
const temporary = mkdtempSync(join(tmpdir(), 'kumiko-pack-'))
let passed = 0
let failed = 0

process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

if (await checkAll()) console.log('all packages can be used')
console.log(`pack:check: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function checkAll(): Promise<boolean> {
  const folders = publishable(process.argv.slice(2))
  for (const folder of folders) rmSync(join(folder, 'dist'), { recursive: true, force: true })
  if (!report('build', await run(join(bin, 'tsc'), ['--build', '--force', '--pretty', 'false', ...folders], root))) return false
  const tarballs: Tarball[] = []
  for (const folder of folders) tarballs.push(await pack(folder, temporary))
  for (const tarball of tarballs) await lint(tarball)
  const project = join(temporary, 'project')
  if (!report('install in an empty project', await install(project, ['--save-exact', ...tarballs.map(({ path }) => path)]))) return false
  const old = join(temporary, 'node-22')
  if (!report(`install ${NODE_22}`, await install(old, [NODE_22]))) return false
  await useOn(process.execPath, project, tarballs)
  await useOn(join(old, 'node_modules/.bin/node'), project, tarballs)
  if (process.argv.length === 2) await testContract(tarballs)
  return failed === 0
}

function publishable(names: readonly string[]): string[] {
  const folders = globSync('packages/*/', { cwd: root })
    .map((folder) => join(root, folder))
    .sort()
  const isPrivate = (folder: string): boolean => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).private === true
  return folders.filter((folder) => !isPrivate(folder) && (names.length === 0 || names.includes(basename(folder))))
}

async function lint({ name, path }: Tarball): Promise<void> {
  report(`publint ${name}`, await run(join(bin, 'publint'), ['run', path, '--strict'], temporary))
  report(`attw ${name}`, await run(join(bin, 'attw'), [path, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji'], temporary))
}

async function install(folder: string, packages: readonly string[]): Promise<Outcome> {
  mkdirSync(folder)
  const manifest = { name: 'empty', private: true, type: 'module', allowScripts: { node: true } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  return run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], folder)
}

async function useOn(node: string, project: string, tarballs: readonly Tarball[]): Promise<void> {
  const version = (await run(node, ['--version'], project)).stdout.trim()
  for (const specifier of tarballs.flatMap(({ specifiers }) => specifiers)) {
    const program = `const all = await import('${specifier}'); if (Object.keys(all).length === 0) throw new Error('exports nothing')`
    report(`Node ${version} imports ${specifier}`, await run(node, ['--input-type=module', '--eval', program], project))
  }
  report(`Node ${version} runs a program`, await run(node, ['--input-type=module', '--eval', ROUND_TRIP], project))
}

/** The READMEs' ways to test a contract: one test file in an empty project, with what they say to install. */
async function testContract(tarballs: readonly Tarball[]): Promise<void> {
  const test = recipeOf('README.md', 'ts vitest')
  const jest = recipeOf('packages/fabric-devnet/README.md', 'js jest')
  const project = join(temporary, 'contract')
  const others = [...test.installs, ...jest.installs].filter((name) => !name.startsWith('@kumiko/'))
  if (!report("install what a contract's test needs", await install(project, [...others, ...tarballs.map(({ path }) => path)]))) return
  writeFileSync(join(project, 'jest.config.mjs'), jest.code)
  for (const { runner, imports, args } of RUNNERS) {
    writeFileSync(join(project, 'contract.test.ts'), test.code.replace(/^import .* from 'vitest'$/m, imports))
    report(`a contract is tested in ${runner}`, await run(process.execPath, args, project))
  }
}

interface Recipe {
  readonly code: string
  /** What its comment says to install. */
  readonly installs: readonly string[]
}

function recipeOf(readme: string, opening: string): Recipe {
  const [recipe] = examplesOf(readFileSync(join(root, readme), 'utf8'), opening)
  const installs = recipe && /^\/\/ (?:.*; )?npm install ([^;\n]*)/m.exec(recipe.code)?.[1]?.split(' ')
  if (recipe === undefined || installs === undefined) throw new Error(`${readme} has no \`${opening}\` block that says what to install`)
  return { code: recipe.code, installs }
}

function report(what: string, { isOk, text }: Outcome): boolean {
  if (isOk) passed++
  else failed++
  console.log(`${isOk ? 'ok  ' : 'FAIL'} ${what}`)
  if (!isOk) console.log(text.trimEnd().replaceAll(/^/gm, '     '))
  return isOk
}
