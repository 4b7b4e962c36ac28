/** Seeds of random tests: others in each run, unless `SEED` says the first. The name of a test has its seed. */
export const firstSeed: number = Number(process.env.SEED ?? Date.now() % 1_000_000)

/** Number of runs of a random test: `RUNS`, or else the default. */
export const runs = (count: number): number => Number(process.env.RUNS ?? count)

/** `count` seeds, or `RUNS` of them. */
export const seeds = (count: number): ReadonlyArray<number> =>
  Array.from({ length: runs(count) }, (_, index) => firstSeed + index)
