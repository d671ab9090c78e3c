import { defineConfig } from 'vitest/config'

/** Runs the examples of all READMEs: `npm run examples`. */
export default defineConfig({
  test: { include: ['tools/packaging/test/examples.ts'] },
})
