import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Outcome, runCase } from './case.ts'
import { cases } from './cases.ts'

const HELP = `Runs kumiko against real peers written by others, one line a case.

  npm run interop -- [options]

  --grep RE    only cases whose name matches
  --list       print the names and end
  --json FILE  write the outcomes too
  --help       print this and end

Exit codes: 0 all passed or were skipped, 1 a case failed, 2 usage.`

const COLOURS: Readonly<Record<Outcome['status'], number>> = { ok: 32, FAIL: 31, skip: 33, known: 33 }

process.exit(await main())

/** @returns The exit code. */
async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n`)
    return 2
  }
  const selected = cases.filter(({ name }) => options.grep.test(name))
  if (options.help) return say(HELP)
  if (options.list) return say(selected.map(({ name }) => name).join('\n'))
  if (selected.length === 0) {
    process.stderr.write(`no case matches ${options.grep}\n`)
    return 2
  }
  const known = new Set(JSON.parse(await readFile(new URL('../known-failures.json', import.meta.url), 'utf8')) as string[])
  const outcomes: Outcome[] = []
  for (const each of selected) {
    const outcome = await runCase(each, known.has(each.name))
    outcomes.push(outcome)
    say(line(outcome))
  }
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(outcomes, undefined, 2)}\n`)
  return close(outcomes)
}

function readOptions(): string | { grep: RegExp; help: boolean; list: boolean; json: string | undefined } {
  try {
    const { values } = parseArgs({
      options: {
        grep: { type: 'string', default: '' },
        list: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    return { grep: new RegExp(values.grep), help: values.help, list: values.list, json: values.json }
  } catch (error) {
    return `${error instanceof Error ? error.message : error}; see --help`
  }
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`)
  return 0
}

function line({ status, name, why, durationMs }: Outcome): string {
  const oneLine = why?.replace(/\s*\n\s*/g, ' | ')
  const rest = status === 'ok' ? `${name} (${durationMs} ms)` : `${name}: ${oneLine}`
  return `${process.stdout.isTTY ? `\x1b[${COLOURS[status]}m${status}\x1b[0m` : status} ${rest}`
}

/** Prints the closing line. @returns The exit code. */
function close(outcomes: readonly Outcome[]): 0 | 1 {
  const count = (...statuses: Outcome['status'][]) => outcomes.filter(({ status }) => statuses.includes(status)).length
  say(`${count('ok')} passed, ${count('FAIL')} failed, ${count('skip', 'known')} skipped`)
  return count('FAIL') === 0 ? 0 : 1
}
