import { KumikoError } from '@kumiko/interface'
import { serviceCapabilities, serviceDependencies } from '@libp2p/interface'

/**
 * Puts services behind those that they depend on; otherwise they stay as given. Services that depend on each other, which js-libp2p
 * allows, come in one order or the other.
 *
 * @param services - By name.
 * @param others - Parts that are up before any service, and what they provide.
 * @throws KumikoError `host/unmet-dependency`, naming the service and what it lacks.
 */
export function orderServices(services: Readonly<Record<string, unknown>>, others: readonly unknown[]): [name: string, service: unknown][] {
  const provided = new Set(others.flatMap((part) => strings(part, serviceCapabilities)))
  const ordered = new Map<string, unknown>()
  const visiting = new Set<string>()
  const visit = (name: string, service: unknown): void => {
    if (ordered.has(name) || visiting.has(name)) return
    visiting.add(name)
    for (const needed of strings(service, serviceDependencies)) {
      const providers = Object.entries(services).filter(([, other]) => strings(other, serviceCapabilities).includes(needed))
      if (providers.length === 0 && !provided.has(needed)) throw unmet(name, needed)
      for (const [other, provider] of providers) visit(other, provider)
    }
    ordered.set(name, service)
  }
  for (const [name, service] of Object.entries(services)) visit(name, service)
  return [...ordered]
}

function strings(part: unknown, symbol: symbol): string[] {
  if (typeof part !== 'object' || part === null) return []
  const value: unknown = Reflect.get(part, symbol)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function unmet(service: string, capability: string): KumikoError {
  return new KumikoError('host/unmet-dependency', `Service ${service} needs ${capability}: add a service that provides it`, {
    context: { service, capability },
  })
}
