// Usage: node tools/layers/src/main.ts [root]. One line for each broken rule; exit code 1 if there is any.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brokenRule } from './rules.ts'
import { usesOf } from './uses.ts'
import { type Package, readWorkspace } from './workspace.ts'

const root = process.argv[2] ?? join(import.meta.dirname, '../../..')
const packages = new Map(readWorkspace(root).map((owner) => [owner.name, owner]))
const files = [...packages.values()].flatMap((owner) => filesOf(owner).map((path) => ({ owner, path })))

const broken = files.flatMap((file) => {
  const path = `${file.owner.folder}/${file.path}`
  return usesOf(path, readFileSync(join(root, path), 'utf8')).flatMap((use) => {
    const rule = brokenRule(file, use, packages)
    return rule === undefined ? [] : [`${path}:${use.line} ${use.kind === 'import' ? 'imports' : 'uses'} ${use.what}: ${rule}`]
  })
})
const stale = [...packages.values()].flatMap(({ folder, impure, pure }) =>
  [...impure, ...pure]
    .filter((path) => !existsSync(join(root, folder, path)))
    .map((path) => `${folder}/package.json:1 lists ${path}: what kumiko.pure and kumiko.impure list exists`),
)

for (const line of [...broken, ...stale]) console.log(line)
console.log(`layers: ${packages.size} packages, ${files.length} files, ${broken.length + stale.length} broken`)
process.exitCode = broken.length + stale.length === 0 ? 0 : 1

function filesOf({ folder }: Package): string[] {
  const found = globSync('{src,test}/**/*.ts', { cwd: join(root, folder), exclude: (path) => path.includes('planted') })
  return found.map((path) => path.replaceAll('\\', '/')).sort()
}
