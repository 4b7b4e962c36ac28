/** Runs before each file: a random test has 10 runs and the seed of `seeds.ts`. `RUNS` and `SEED` set others. */
import * as FastCheck from "effect/FastCheck"
import { firstSeed, runs } from "./seeds.js"

FastCheck.configureGlobal({ numRuns: runs(10), seed: firstSeed })
