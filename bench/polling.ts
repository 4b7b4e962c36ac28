/**
 * Measures the cost of polling: requests per job, and the lag between the end of a job and the poll that detects it. A seeded
 * simulation on a virtual clock without a network: the schedules of the library, stepped as a watch steps them, against jobs
 * that are functions of time. A poll takes no time.
 *
 *   npm run bench:polling
 *   npm run bench:polling -- --mixed               (one part: --schedules, --fleets, --mixed or --large)
 *   npm run bench:polling -- --large --million     (up to a million jobs; 20 minutes)
 */
import { Array as Arr, DateTime, Duration, Effect, Random, Schedule, ScheduleDecision, ScheduleIntervals } from "effect"
import type { WatchOptions } from "effect-videos"
import { adaptivePoll, defaultPollSchedule } from "effect-videos/Polling"
import { phaseOf, VideoId, type VideoResource } from "effect-videos/Schema"
import { type SimulatedJob, type SimulationResult, simulate } from "./simulation.js"

const jobsPerCell = 2000

const parts = ["schedules", "fleets", "mixed", "large"] as const

/** Every part, or those that the command names. */
const isWanted = (part: (typeof parts)[number]): boolean =>
  process.argv.includes(`--${part}`) || !parts.some((name) => process.argv.includes(`--${name}`))

// -----------------------------------------------------------------------------
// jobs
// -----------------------------------------------------------------------------

/** One job: submitted, queued for a while, run, done. Times in milliseconds of the virtual clock. */
interface Job {
  readonly submittedAt: number
  /** Whole seconds, as in the protocol. */
  readonly createdAt: DateTime.Utc
  readonly endsAt: number
  /** Returns the state of the job at a time before its end. */
  readonly says: (now: number) => { readonly status: string; readonly progress: number }
}

/** Fifty denoising steps, reported in whole percent. The decoder and the upload after them are not reported. */
const steps = 50

type Server = "progress" | "0 or 100"

const makeJob = (server: Server, seconds: number): Effect.Effect<Job> =>
  Effect.gen(function* () {
    const submittedAt = 1_790_000_000_000 + (yield* Random.nextRange(0, 1000))
    // The queue time is exponential, with a mean of a tenth of the run time.
    const queued = -Math.log(1 - (yield* Random.next)) * seconds * 100
    const run = (yield* Random.nextRange(0.75, 1.25)) * seconds * 1000
    // The steps are only a part of the run, and of `progress`.
    const share = yield* Random.nextRange(0.85, 1)
    const last = yield* Random.nextRange(90, 100)
    const silent = (yield* Random.next) < 0.5
    const startsAt = submittedAt + queued
    return {
      submittedAt,
      createdAt: DateTime.unsafeMake(Math.floor(submittedAt / 1000) * 1000),
      endsAt: startsAt + run,
      says: (now) => {
        // SGLang reports `queued` until the end, vLLM-Omni `in_progress`; neither reports progress.
        if (server === "0 or 100") return { status: silent || now < startsAt ? "queued" : "in_progress", progress: 0 }
        if (now < startsAt) return { status: "queued", progress: 0 }
        const step = Math.min(steps, Math.floor(((now - startsAt) / (run * share)) * steps))
        return { status: "in_progress", progress: Math.floor((step / steps) * last) }
      }
    }
  })

const id = VideoId.make("video_1")

const snapshot = (job: Job, now: number): VideoResource => ({
  id,
  object: "video",
  model: null,
  ...(now >= job.endsAt ? { status: "completed", progress: 100 } : job.says(now)),
  createdAt: job.createdAt,
  completedAt: null,
  expiresAt: null,
  prompt: null,
  size: null,
  seconds: null,
  remixedFromVideoId: null,
  error: null,
  extra: {}
})

// -----------------------------------------------------------------------------
// one watch
// -----------------------------------------------------------------------------

type Poll = Schedule.Schedule<unknown, VideoResource>

interface Watched {
  readonly requests: number
  readonly lag: number
}

/** Polls at once and then by the schedule, until a poll finds that the job has ended. */
const watch = (job: Job, poll: Poll): Effect.Effect<Watched> =>
  Effect.gen(function* () {
    let now = job.submittedAt
    let state = poll.initial
    let requests = 0
    while (true) {
      requests++
      const seen = snapshot(job, now)
      if (phaseOf(seen) === "succeeded") return { requests, lag: now - job.endsAt }
      const [next, , decision] = yield* poll.step(now, seen, state)
      if (ScheduleDecision.isDone(decision)) return yield* Effect.dieMessage("the schedule ended before the job")
      state = next
      now = ScheduleIntervals.start(decision.intervals)
    }
  })

// -----------------------------------------------------------------------------
// the contenders
// -----------------------------------------------------------------------------

/** Delays of smithy's waiters (`util-waiter/poller.ts`): random between 2 s and 2 s doubled each time, at most 120 s. */
const smithy: Poll = Schedule.exponential("2 seconds", 2).pipe(
  Schedule.modifyDelayEffect((_, delay) =>
    Effect.map(Random.nextRange(2000, Math.max(2001, Duration.toMillis(delay))), (millis) => Duration.millis(millis))
  ),
  Schedule.union(Schedule.spaced("120 seconds"))
)

const polls: { readonly [name: string]: Poll } = {
  "`defaultPollSchedule`": adaptivePoll(),
  "fixed 1 s (openai-python)": Schedule.spaced("1 second"),
  "fixed 5 s (vercel ai)": Schedule.spaced("5 seconds"),
  "fixed 10 s": Schedule.spaced("10 seconds"),
  "exponential, 2 to 120 s (smithy waiters)": smithy
}

const lengths = [
  ["20 s", 20],
  ["2 min", 120],
  ["10 min", 600]
] as const

const servers: { readonly [server in Server]: string } = {
  progress: "Servers that report progress",
  "0 or 100": "Servers that say only 0 and 100"
}

// -----------------------------------------------------------------------------
// the table
// -----------------------------------------------------------------------------

const cell = (watched: ReadonlyArray<Watched>): string => {
  const lags = watched.map(({ lag }) => lag / 1000).sort((a, b) => a - b)
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
  const p99 = lags[Math.floor(lags.length * 0.99)] ?? Number.NaN
  return `${mean(watched.map(({ requests }) => requests)).toFixed(1)} / ${mean(lags).toFixed(1)} / ${p99.toFixed(1)}`
}

const table = (server: Server) =>
  Effect.gen(function* () {
    const rows: Array<ReadonlyArray<string>> = [
      [servers[server], ...lengths.map(([name]) => `jobs of ${name}`)],
      ["---", ...lengths.map(() => "---:")]
    ]
    const jobs = yield* Effect.forEach(lengths, ([, seconds]) =>
      Effect.replicateEffect(makeJob(server, seconds), jobsPerCell)
    )
    for (const [name, poll] of Object.entries(polls)) {
      const cells = yield* Effect.forEach(jobs, (some) => Effect.forEach(some, (job) => watch(job, poll)))
      rows.push([name, ...cells.map(cell)])
    }
    return rows.map((row) => `| ${row.join(" | ")} |`).join("\n")
  })

const tables = Effect.forEach(["progress", "0 or 100"] as const, table).pipe(Effect.withRandom(Random.make("polling")))

if (isWanted("schedules")) {
  console.log(`\nPolling: requests per job / mean lag after completion / p99 of it (s); ${jobsPerCell} jobs per cell\n`)
  console.log((await Effect.runPromise(tables)).join("\n\n"))
}

// -----------------------------------------------------------------------------
// fleets
// -----------------------------------------------------------------------------

/** Jobs whose watches begin at random times within `spread` seconds, with lengths of `length` seconds, a quarter more or less. */
const fleetOf = (count: number, spread: number, length: number | ((random: number) => number)): Array<SimulatedJob> => {
  const random = Effect.runSync(
    Effect.replicateEffect(Random.next, 2 * count).pipe(Effect.withRandom(Random.make(`fleet ${count} ${spread}`)))
  )
  return Array.from({ length: count }, (_, index) => {
    const [begins = 0, lasts = 0] = random.slice(2 * index, 2 * index + 2)
    const seconds = typeof length === "number" ? (0.75 + 0.5 * lasts) * length : length(lasts)
    return { createdAt: Math.floor(begins * spread * 1000), length: Math.floor(seconds * 1000) }
  })
}

/**
 * The fewest pages that show all running jobs each `every` milliseconds: jobs are at their places in the list, the jobs
 * that have ended are between them, and a page shows a hundred places.
 */
const fewestPages = (jobs: ReadonlyArray<SimulatedJob>, every: number): number => {
  const places = [...jobs].sort((a, b) => a.createdAt - b.createdAt)
  const end = Math.max(...jobs.map(({ createdAt, length }) => createdAt + length)) + every
  let pages = 0
  for (let now = 0; now < end; now += every) {
    let shown = -1
    places.forEach(({ createdAt, length }, place) => {
      if (place <= shown || createdAt > now || now >= createdAt + length + every) return
      pages++
      shown = place + 99
    })
  }
  return pages
}

/**
 * The fewest reads that show each job within two seconds of its begin, and its end within `lag` milliseconds: each page of a
 * hundred places is read as late as that allows, by a reader that knows the ends.
 */
const fewestReads = (jobs: ReadonlyArray<SimulatedJob>, lag: number): number => {
  const places = [...jobs].sort((a, b) => a.createdAt - b.createdAt)
  let reads = 0
  for (let first = 0; first < places.length; first += 100) {
    const windows = places.slice(first, first + 100).flatMap(({ createdAt, length }) => [
      [createdAt, createdAt + 2000],
      [createdAt + length, createdAt + length + lag]
    ])
    let readAt = -1
    for (const [begin = 0, end = 0] of windows.sort(([, a = 0], [, b = 0]) => a - b)) {
      if (readAt >= begin) continue
      reads++
      readAt = end
    }
  }
  return reads
}

/** The threshold of `watching`: this many jobs are polled one by one before the first page is read. */
const threshold = 10

/** Jobs that are polled one by one: in fleets too small for pages. */
const simulateSingly = async (jobs: ReadonlyArray<SimulatedJob>, watch: WatchOptions): Promise<SimulationResult> => {
  const results: Array<SimulationResult> = []
  for (const some of Arr.chunksOf(jobs, threshold - 1)) results.push(await simulate(some, { watch }))
  const total = (of: (result: SimulationResult) => number) => results.reduce((sum, result) => sum + of(result), 0)
  return {
    singles: total(({ singles }) => singles),
    pages: total(({ pages }) => pages),
    lags: results.flatMap(({ lags }) => lags).sort((a, b) => a - b),
    peak: Math.max(...results.map(({ peak }) => peak)),
    duration: Math.max(...results.map(({ duration }) => duration)),
    bytesPerJob: total(({ bytesPerJob }) => bytesPerJob) / results.length
  }
}

const schedules = [Schedule.spaced("2 seconds"), Schedule.spaced("10 seconds"), defaultPollSchedule] as const

/** A third of the jobs by each schedule. */
const mixed: Poll = Schedule.makeWithState<unknown, VideoResource, unknown>(undefined, (now, video, state) => {
  const schedule = schedules[Number(video.id.slice(6)) % 3] ?? defaultPollSchedule
  return (schedule as Poll).step(now, video, state === undefined ? schedule.initial : state)
})

const lagOf = ({ lags }: SimulationResult, share: number): string =>
  ((lags[Math.floor(lags.length * share)] ?? Number.NaN) / 1000).toFixed(1)

const perJob = ({ pages, singles }: SimulationResult, count: number): string => ((singles + pages) / count).toFixed(2)

const printRow = (cells: ReadonlyArray<string | number>): void => console.log(`| ${cells.join(" | ")} |`)

const printHead = (title: string, head: ReadonlyArray<string>): void => {
  console.log(`\n${title}\n`)
  printRow(head)
  printRow(head.map(() => "---:"))
}

if (isWanted("fleets")) {
  printHead("Fleets that begin when they like: requests per job / 99th percentile of the lag in seconds", [
    "jobs",
    "length",
    "begin within",
    "every 2 s",
    "fewest",
    "default",
    "fewest",
    "single polls: every 2 s",
    "default"
  ])
  for (const count of [50, 200, 1000, 10_000]) {
    for (const [length, spread] of [
      [20, 0],
      [20, 10],
      [20, 20],
      [60, 60]
    ] as const) {
      const jobs = fleetOf(count, spread, length)
      const cells = []
      for (const [poll, fewest] of [
        [Schedule.spaced("2 seconds"), fewestPages(jobs, 2000)],
        [undefined, fewestReads(jobs, 1650)]
      ] as const) {
        const found = await simulate(jobs, { watch: { poll } })
        cells.push(`${perJob(found, count)} / ${lagOf(found, 0.99)}`, ((fewest + threshold) / count).toFixed(2))
      }
      const singles = []
      const sample = jobs.slice(0, 90)
      for (const poll of [Schedule.spaced("2 seconds"), undefined]) {
        singles.push(perJob(await simulateSingly(sample, { poll }), sample.length))
      }
      printRow([count.toLocaleString("en"), `${length} s`, `${spread} s`, ...cells, ...singles])
    }
  }
}

if (isWanted("mixed")) {
  printHead("A mixed fleet: lengths of 10 s to 10 min, three schedules, 5 % failing, one page that always fails", [
    "jobs",
    "begin within",
    "requests per job",
    "singles",
    "pages",
    "lag p50 / p99 (s)",
    "single polls: requests per job",
    "lag p50 / p99 (s)"
  ])
  for (const count of [200, 1000, 10_000]) {
    const jobs = fleetOf(count, 60, (random) => 10 * 60 ** random).map((job, index) => ({
      ...job,
      fails: index % 20 === 0
    }))
    const found = await simulate(jobs, { watch: { poll: mixed }, failingAt: Math.floor(count / 2) })
    const sample = jobs.slice(0, 200)
    const singly = await simulateSingly(sample, { poll: mixed })
    printRow([
      count.toLocaleString("en"),
      "60 s",
      perJob(found, count),
      found.singles,
      found.pages,
      `${lagOf(found, 0.5)} / ${lagOf(found, 0.99)}`,
      perJob(singly, sample.length),
      `${lagOf(singly, 0.5)} / ${lagOf(singly, 0.99)}`
    ])
  }
}

/** Fleets whose watches begin at random times over the length of a job; a request takes 20 ms. Times in seconds. */
const fleets = [
  { count: 1000, length: 60, every: 2 },
  { count: 10_000, length: 600, every: 10 },
  { count: 100_000, length: 3600, every: 60 },
  { count: 1_000_000, length: 36_000, every: 1800 }
]

const isWhole = process.argv.includes("--million")

if (isWanted("large")) {
  printHead(`Fleets that begin over the length of a job${isWhole ? "" : " (`--million` for the last)"}`, [
    "jobs",
    "length",
    "schedule",
    "requests per job",
    "requests per s",
    "lag p50 / p99 (s)",
    "heap per job (KiB)"
  ])
  for (const { count, every, length } of fleets) {
    if (count > 100_000 && !isWhole) continue
    const found = await simulate(fleetOf(count, length, length), {
      watch: { poll: Schedule.spaced(`${every} seconds`) }
    })
    printRow([
      count.toLocaleString("en"),
      `${length} s`,
      `every ${every} s`,
      perJob(found, count),
      ((1000 * (found.singles + found.pages)) / found.duration).toFixed(1),
      `${lagOf(found, 0.5)} / ${lagOf(found, 0.99)}`,
      (found.bytesPerJob / 1024).toFixed(1)
    ])
  }
}
