import { describe, expect, it } from 'vitest'
import { examplesOf } from './readme.ts'

describe('examplesOf', () => {
  it('takes the blocks that are to be run, with their lines', () => {
    const markdown = ['# Title', '```ts', 'one()', 'two()', '```', '```sh', 'npm i', '```', '```ts excerpt', 'no()', '```', '```ts', '```']
    expect(examplesOf(markdown.join('\n'))).toEqual([
      { line: 3, code: 'one()\ntwo()' },
      { line: 13, code: '' },
    ])
  })

  it('takes those of another kind where they are asked for', () => {
    expect(examplesOf('```ts\none()\n```\n```ts vitest\ntwo()\n```', 'ts vitest')).toEqual([{ line: 5, code: 'two()' }])
  })

  it('refuses a block without an end', () => {
    expect(() => examplesOf('text\n```ts\nx()')).toThrow('line 2')
  })
})
