/** Runs before each file: a random test has 25 runs and the seed of `seeds.ts`. `RUNS` and `SEED` set others. */
import * as FastCheck from "effect/FastCheck"
import { firstSeed, runs } from "./seeds.js"

FastCheck.configureGlobal({ numRuns: runs(25), seed: firstSeed })
