/** As libp2p has it; written out, since this side knows no libp2p. */
export interface Abortable {
  readonly signal?: AbortSignal
}
