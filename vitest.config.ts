import { defineConfig } from 'vitest/config'

/** `import` and `require` are added as a module is asked for: given here, `import` would count for `require` too. */
const conditions = ['@kumiko/source', 'node']

/** Tests run on sources: the condition picks `src` of each workspace package, so nothing is built first. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['{packages,apps,tools}/*/{src,test}/**/*.{test,fuzz}.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'tools/layers/test/planted/**'],
    // Only what hangs: on a busy machine everything takes its time, and how fast it is, benchmarks tell.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    setupFiles: ['./tools/testkit/src/seed-properties.ts'],
    // What it imports as `libp2p` is replaced in tools/compliance.
    server: { deps: { inline: ['@libp2p/interface-compliance-tests'] } },
  },
})
