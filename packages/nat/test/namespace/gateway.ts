/** The gateway of run.sh: speaks one protocol on its real port, and prints what is mapped at the end. */
import { once } from 'node:events'
import { pmpResponder } from '../pmp-responder.ts'
import { upnpResponder } from '../upnp-responder.ts'

const speaks = process.argv[2]
const portFor = (port: number): number => port + 1
const responder =
  speaks === 'upnp'
    ? await upnpResponder({ version: 1 }, '10.77.0.1', '239.255.255.250')
    : await pmpResponder({ speaks: speaks === 'pcp' ? 'pcp' : 'pmp', portFor }, '10.77.0.1', 5351)
let most: string[] = []
const watch = setInterval(() => {
  if (responder.mappings.size > most.length) most = [...responder.mappings.keys()].sort()
}, 5)
await once(process, 'SIGTERM')
clearInterval(watch)
await responder.close()
console.log(JSON.stringify({ most, left: responder.mappings.size }))
