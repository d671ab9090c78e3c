import { parseSync } from 'oxc-parser'

/** Something that a file takes from outside. */
export interface Use {
  /** `import`: a module, in any way, types included · `global`: time, timers, randomness or the process. */
  readonly kind: 'import' | 'global'
  /** The specifier as it is written, or the global's name. */
  readonly what: string
  /** From 1. */
  readonly line: number
}

/** What is impure however it is used. */
const GLOBALS = new Set(['Date', 'setTimeout', 'setInterval', 'setImmediate'])

/** What is impure where a member is taken; the names alone are common. */
const OBJECTS = new Set(['performance', 'process', 'crypto', 'globalThis'])

/** Fields of a syntax tree that name something instead of referring to it. */
const NAMING: Readonly<Record<string, string>> = {
  MemberExpression: 'property',
  Property: 'key',
  PropertyDefinition: 'key',
  MethodDefinition: 'key',
}

/** Expressions among the nodes of TypeScript; all others are types. */
const TYPED_EXPRESSION = /^TS(As|Satisfies|NonNull|Instantiation)Expression$/

type Node = Readonly<Record<string, unknown>> & { readonly type: string; readonly start: number }

/** All that a source file uses, in order. @throws Error where it cannot be parsed. */
export function usesOf(path: string, source: string): Use[] {
  const { program, errors } = parseSync(path, source)
  const [error] = errors
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)
  const uses: Use[] = []
  const lineOf = (offset: number): number => source.slice(0, offset).split('\n').length
  walk(program, false, (kind, what, node) => uses.push({ kind, what, line: lineOf(node.start) }))
  return uses
}

type Found = (kind: Use['kind'], what: string, node: Node) => void

function walk(value: unknown, isType: boolean, found: Found): void {
  if (Array.isArray(value)) for (const item of value) walk(item, isType, found)
  if (!isNode(value)) return
  const source = specifier(value.source)
  if (source !== undefined) found('import', source, value)
  if (!isType) findGlobal(value, found)
  const isTypeBelow = isType || (value.type.startsWith('TS') && !TYPED_EXPRESSION.test(value.type))
  const naming = value.computed === true ? undefined : NAMING[value.type]
  for (const [field, child] of Object.entries(value)) {
    if (field !== naming || value.shorthand === true) walk(child, isTypeBelow, found)
  }
}

/** What `import`, `export … from`, `import()` and `import('…')` types have in common. */
function specifier(source: unknown): string | undefined {
  if (!isNode(source)) return undefined
  if (source.type === 'Literal' && typeof source.value === 'string') return source.value
  return source.type === 'TemplateLiteral' ? '(computed)' : undefined
}

function findGlobal(node: Node, found: Found): void {
  if (node.type === 'Identifier' && GLOBALS.has(String(node.name))) found('global', String(node.name), node)
  if (node.type !== 'MemberExpression' || !isNode(node.object) || !isNode(node.property)) return
  const [object, property] = [String(node.object.name), String(node.property.name)]
  if (OBJECTS.has(object) || (object === 'Math' && property === 'random')) found('global', `${object}.${property}`, node)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
