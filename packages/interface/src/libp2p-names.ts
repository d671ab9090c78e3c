/**
 * What js-libp2p calls the same failure, by the code of ours. Code written for js-libp2p tells errors by their `name`, and finds these here, too.
 * A code that is not listed has no like there.
 */
const NAMES: Readonly<Record<string, string>> = {
  'connection-manager/dial-failed': 'DialError',
  'connection-manager/no-protocol': 'InvalidParametersError',
  'connection-manager/refused': 'ConnectionDeniedError',
  'dialer/address-timeout': 'TimeoutError',
  'dialer/bad-target': 'InvalidParametersError',
  'dialer/denied': 'DialDeniedError',
  'dialer/failed': 'DialError',
  'dialer/no-addresses': 'NoValidAddressesError',
  'dialer/not-running': 'NotStartedError',
  'dialer/queue-full': 'DialError',
  'dialer/self': 'InvalidPeerIdError',
  'dialer/stopped': 'AbortError',
  'dialer/timeout': 'TimeoutError',
  'dialer/wrong-peer': 'UnexpectedPeerError',
  'host/bad-target': 'InvalidParametersError',
  'host/component-too-early': 'MissingServiceError',
  'host/connection-denied': 'ConnectionInterceptedError',
  'host/duplicate-handler': 'DuplicateProtocolHandlerError',
  'host/duplicate-transport': 'InvalidParametersError',
  'host/listen-failed': 'UnsupportedListenAddressesError',
  'host/no-content-router': 'NoContentRoutersError',
  'host/no-muxer': 'MuxerUnavailableError',
  'host/no-peer-router': 'NoPeerRoutersError',
  'host/sought-self': 'QueriedForSelfError',
  'host/no-transport': 'TransportUnavailableError',
  'host/unhandled-protocol': 'UnhandledProtocolError',
  'host/unmet-dependency': 'UnmetServiceDependenciesError',
}

/** js-libp2p's name of an error, or undefined where it has none. */
export function libp2pNameOf(code: string): string | undefined {
  return Object.hasOwn(NAMES, code) ? NAMES[code] : undefined
}
