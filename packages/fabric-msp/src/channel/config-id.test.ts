import { describe, expect, it } from 'vitest'
import { channelIdProblem, configIdProblem, modPolicyProblem } from './config-id.ts'

describe('names', () => {
  it.each(['Org1', 'a', '-', '...', 'V2_0'.replace('_', '.'), 'x'.repeat(249)])('may be %s', (id) =>
    expect(configIdProblem(id)).toBeUndefined(),
  )
  it.each(['', '.', '..', 'a/b', 'ä', 'a\n', 'V2_0', 'x'.repeat(250)])('may not be %j', (id) =>
    expect(configIdProblem(id)).toContain('name'),
  )

  it('of channels start with a small letter', () => {
    expect(channelIdProblem('my-channel.1')).toBeUndefined()
    for (const id of ['', 'My', '1a', 'a_b', 'a\n', 'x'.repeat(250)]) expect(channelIdProblem(id)).toContain('name')
  })

  it('of policies may be paths', () => {
    expect(modPolicyProblem('/Channel/Orderer/Admins')).toBeUndefined()
    expect(modPolicyProblem('Org1/Admins')).toBeUndefined()
    for (const path of ['', '/', 'a//b', '/a/']) expect(modPolicyProblem(path)).toContain('mod_policy')
  })
})
