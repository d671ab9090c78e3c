/** Names of channels and of configuration elements have at most this many characters (`configtx.MaxLength`). */
const CONFIG_ID_LENGTH_MAX = 249

/** @returns What is wrong with the name of a configuration element, if anything (`configtx.validateConfigID`). */
export function configIdProblem(id: string): string | undefined {
  if (id === '.' || id === '..') return `the name '${id}' is not allowed`
  return /^[a-zA-Z0-9.-]+$/.test(id) ? lengthProblem(id) : `the name '${id.slice(0, 80)}' is not made of letters, digits, '.' and '-'`
}

/** @returns What is wrong with a channel's name, if anything (`configtx.ValidateChannelID`). */
export function channelIdProblem(id: string): string | undefined {
  if (/^[a-z][a-z0-9.-]*$/.test(id)) return lengthProblem(id)
  return `the channel's name '${id.slice(0, 80)}' is not a small letter and then small letters, digits, '.' and '-'`
}

/** @returns What is wrong with a `mod_policy`, if anything (`configtx.validateModPolicy`). */
export function modPolicyProblem(modPolicy: string): string | undefined {
  if (modPolicy === '') return 'mod_policy not set'
  const path = modPolicy.startsWith('/') ? modPolicy.slice(1) : modPolicy
  const problem = path
    .split('/')
    .map(configIdProblem)
    .find((found) => found !== undefined)
  return problem === undefined ? undefined : `mod_policy: ${problem}`
}

function lengthProblem(id: string): string | undefined {
  return id.length > CONFIG_ID_LENGTH_MAX ? `the name '${id.slice(0, 80)}…' has more than ${CONFIG_ID_LENGTH_MAX} characters` : undefined
}
