/** Seeds of random tests: others in each run, unless `SEED` says the first. The name of a test has its seed. */
export const firstSeed: number = Number(process.env.SEED ?? Date.now() % 1_000_000)

/** So many seeds, or `RUNS` of them. */
export const seeds = (runs: number): ReadonlyArray<number> =>
  Array.from({ length: Number(process.env.RUNS ?? runs) }, (_, index) => firstSeed + index)
