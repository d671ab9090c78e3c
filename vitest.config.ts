import { defineConfig } from 'vitest/config'

/** For what is not made of sources, Node adds `import` or `require` as it is loaded: given here, `import` would count for `require` too. */
const externalConditions = ['@kumiko/source', 'node']

const conditions = ['@kumiko/source', 'node', 'import', 'module', 'default']

/** Tests run on sources: the condition picks `src` of each workspace package, so nothing is built first. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions } },
  test: {
    include: ['{packages,apps,tools}/*/{src,test}/**/*.{test,fuzz}.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'tools/layers/test/planted/**'],
    testTimeout: 30_000,
    // What it imports as `libp2p` is replaced in tools/compliance.
    server: { deps: { inline: ['@libp2p/interface-compliance-tests'] } },
  },
})
