/** The gateway of run.sh: speaks one protocol on its real port, says in a file that it does, and prints what was mapped at the end. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { pmpResponder } from '../pmp-responder.ts'
import { upnpResponder } from '../upnp-responder.ts'

const [, , speaks, ready = ''] = process.argv
const portFor = (port: number): number => port + 1
const responder =
  speaks === 'upnp'
    ? await upnpResponder({ version: 1 }, '10.77.0.1', '239.255.255.250')
    : await pmpResponder({ speaks: speaks === 'pcp' ? 'pcp' : 'pmp', portFor }, '10.77.0.1', 5351)
let most: string[] = []
const watch = setInterval(() => {
  if (responder.mappings.size > most.length) most = [...responder.mappings.keys()].sort()
}, 5)
// Whatever becomes of run.sh, the gateway does not outlive it for long.
setTimeout(() => process.exit(1), 60_000).unref()
const ended = once(process, 'SIGTERM')
await writeFile(ready, 'ready')
await ended
clearInterval(watch)
await responder.close()
console.log(JSON.stringify({ most, left: responder.mappings.size }))
