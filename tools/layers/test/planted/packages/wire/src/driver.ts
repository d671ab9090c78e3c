import 'node:net'

setTimeout(() => {}, 1)
