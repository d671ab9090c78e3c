import { describe, expect, it } from 'vitest'
import { pagedQuery } from './query.ts'

describe('a rich query', () => {
  it('has our limit and bookmark in place of its own, and is passed on else', () => {
    const query = '{"selector":{"n":{"$gt":9007199254740993}},"sort":[{"n":"desc"}],"use_index":"i","limit":5,"bookmark":"theirs"}'
    expect(pagedQuery(query, 100, '')).toBe(
      '{"bookmark":"theirs","limit":100,"selector":{"n":{"$gt":9007199254740993}},"sort":[{"n":"desc"}],"use_index":"i"}',
    )
    expect(pagedQuery('{"selector":{}}', 7, 'g1"')).toBe('{"bookmark":"g1\\"","limit":7,"selector":{}}')
  })

  it('asks for the fields that we need', () => {
    expect(pagedQuery('{"selector":{},"fields":["a","b"]}', 1, '')).toBe('{"fields":["a","b","_id","~version"],"limit":1,"selector":{}}')
    expect(pagedQuery('{"fields":[]}', 1, '')).toBe('{"fields":["_id","~version"],"limit":1}')
  })

  it.each(['', 'null', '[]', '"x"', '{', '{"selector":{}}}', '{"fields":"a"}', '{"fields":null}'])('is refused: %j', (query) => {
    expect(() => pagedQuery(query, 1, '')).toThrow(expect.objectContaining({ code: 'fabric-couchdb/bad-query' }))
  })
})
