import { type Fault, isFault } from '@kumiko/interface'

/** A decoded value as it is; a fault by the name of the level at which it was met, since validation codes depend on that. */
export function atLevel<T>(fault: string, decoded: T | Fault): T | Fault {
  return isFault(decoded) ? faultAt(fault, decoded.detail ?? decoded.fault) : decoded
}

/** A fault at a level. @param detail - At most 200 characters. */
export function faultAt(fault: string, detail: string): Fault {
  return { fault, detail: detail.slice(0, 200) }
}
