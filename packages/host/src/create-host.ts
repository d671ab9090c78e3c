import type { Host as KumikoHost } from '@kumiko/interface'
import type { ServiceMap } from '@libp2p/interface'
import { readAddresses } from './address-options.ts'
import { Assembly } from './assembly.ts'
import { Host } from './host.ts'
import { nodeKey } from './node-key.ts'
import { checkOptions, type HostOptions } from './options.ts'

/**
 * Puts a Host together from its parts. Nothing runs before `host.start()`.
 *
 * @throws KumikoError `host/bad-option`, `host/duplicate-capability`, `host/duplicate-transport`, `host/reserved-service`,
 * `host/unmet-dependency`, `host/component-too-early`, `host/plaintext-with-key`; with `start` also what `host.start()` throws.
 */
export async function createHost<Services extends ServiceMap = ServiceMap>(
  options: HostOptions<Services> = {},
): Promise<KumikoHost<Services>> {
  checkOptions(options)
  const addresses = readAddresses(options.addresses)
  const { components, services, lifecycle } = new Assembly(options, await nodeKey(options), addresses)
  // Each service was made by the factory that its type was taken from.
  const host = new Host<Services>(components, services as Services, lifecycle)
  if (options.start === true) await host.start()
  return host
}
