import fc from 'fast-check'
import { testSeed } from './random.ts'

// Before each test file: properties draw from the seed that `seeded()` does, so a run is the same run again.
fc.configureGlobal({ seed: testSeed() })
