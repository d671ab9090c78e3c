import { expect, it } from 'vitest'
import { definitionFault } from './index-definition.ts'

it.each([
  '{"index":{"fields":["a","b.c"]},"ddoc":"d","name":"n","type":"json"}',
  '{"index":{"fields":[{"a":"asc"},{"b":"DESC"}]}}',
  '{"index":{"fields":["a"],"partial_filter_selector":{"s":{"$ne":"x"}}}}',
  '{"index":{}}',
])('%s defines an index', (definition) => {
  expect(definitionFault(definition)).toBeUndefined()
})

it.each([
  '',
  'x',
  '[]',
  '{}',
  '{"index":["a"]}',
  '{"index":{"fields":"a"}}',
  '{"index":{"fields":[{"a":"up"}]}}',
  '{"index":{"fields":[{"a":1}]}}',
  '{"index":{"fields":["a"],"map":"function"}}',
  '{"index":{"fields":["a"]},"type":"text"}',
  '{"index":{"fields":["a"]},"ddoc":1}',
  '{"index":{"fields":["a"]},"name":{}}',
  '{"index":{"fields":["a"]},"views":{}}',
])('%s defines none', (definition) => {
  expect(definitionFault(definition)).toBeTypeOf('string')
})
