import fc from 'fast-check'
import { expect, it } from 'vitest'
import { levelOf, parseLogSpec, printLogSpec } from './log-spec.ts'

it('any text is a specification that is printed and read again as the same, or refused', () => {
  const text = fc.array(fc.constantFrom('a', 'b.', '.', '=', ':', ',', 'debug', 'ERROR', 'x', ' ')).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), (given) => {
      const spec = parseLogSpec(given)
      if ('fault' in spec) return
      expect(parseLogSpec(printLogSpec(spec))).toEqual({ defaultLevel: spec.defaultLevel, levels: new Map([...spec.levels].sort()) })
      for (const [module, level] of spec.levels) if (module.endsWith('.')) expect(levelOf(module.slice(0, -1), spec)).toBe(level)
    }),
    { numRuns: 500 },
  )
})
