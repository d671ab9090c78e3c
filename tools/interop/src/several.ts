/** Nodes that are stopped together. */
export interface Several<Node> extends AsyncDisposable {
  readonly nodes: readonly Node[]
}

/** Starts some at once. */
export async function startSeveral<Node extends AsyncDisposable>(count: number, start: () => Promise<Node>): Promise<Several<Node>> {
  const nodes = await Promise.all(Array.from({ length: count }, start))
  return {
    nodes,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    },
  }
}
