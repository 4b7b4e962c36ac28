/** Runs the worker in processes of its own, which kill themselves, until all of its runs have ended. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Fault, VideosServer } from "@effect-videos/server"
import { type Array as Arr, Effect, Schedule } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { programAt, root } from "../../../../test/support/bundle.js"
import { fakePrograms, framesFilm } from "../../../../test/support/fakeFfmpeg.js"
import { promptOf } from "./runs.js"

export const workerAt = Effect.promise(() => programAt("worker"))

export const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "durable-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Runs one process to its end; the scope ends it. */
const runProcess = (path: string, env: { readonly [name: string]: string }) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { HOME = "", PATH = "" } = process.env
      return spawn(process.execPath, [path], {
        cwd: root,
        env: { HOME, PATH, ...env },
        stdio: ["ignore", "ignore", "inherit"]
      })
    }),
    (child) =>
      Effect.async<string>((resume) => {
        child.on("close", (code, signal) => resume(Effect.succeed(signal ?? String(code))))
      }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** FFmpeg's stand-ins in a directory: a clip has 2 s, and a join of three has what three have. */
export const joining = (programs: string) =>
  Effect.sync(() => {
    writeFileSync(join(programs, "clip"), framesFilm(48))
    return { programs, film: framesFilm(3 * 48 - 2) }
  }).pipe(Effect.tap(({ film }) => fakePrograms(programs, film)))

export interface Killed {
  /** The moments at which a process kills itself, each once. */
  readonly kill: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
  /** `SIGTERM`: it stops in order, and exits with 130. Default: `SIGKILL`. */
  readonly signal?: "SIGKILL" | "SIGTERM"
  /** The prompt of all runs; without it, each has its own. */
  readonly same?: string
  /** Whether the waiting jobs are polled; else the durable clock alone ends a wait. */
  readonly polls?: "on" | "off"
  /** The runs are to a length, with two segments of their own that these programs join to this film. */
  readonly joins?: { readonly programs: string; readonly film: Buffer } | undefined
  /** An empty database of a Postgres, and the port of the runner; else SQLite. */
  readonly postgres?: { readonly url: string; readonly listen: number } | undefined
  /** Faults of the server. */
  readonly faults?: ReadonlyArray<Fault.Rule>
}

/** The environment of the runs in a folder. */
const environmentOf = (at: string, { joins, keys, kill, polls = "on", postgres, same = "", signal }: Killed) => ({
  FOLDER: at,
  KEYS: keys.join(","),
  KILL: kill.join(","),
  ...(postgres === undefined ? {} : { POSTGRES: postgres.url, LISTEN: String(postgres.listen) }),
  POLLS: polls,
  PROGRAMS: joins?.programs ?? "",
  SAME: same,
  SIGNAL: signal ?? "SIGKILL"
})

/** What came of the runs in a folder: the jobs that were paid for, and the files, by whether they are whole. */
const resultOf = (at: string, { joins, keys, kill, same }: Killed, before: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const server = yield* VideosServer
    const log = readFileSync(join(at, "log"), "utf8")
    const reached = kill.filter((point) => existsSync(join(at, `reached ${point}`)))
    const prompts = (same === undefined ? keys : [same]).map(promptOf)
    const made = (yield* server.jobs).filter(({ id, prompt }) => !before.has(id) && prompts.includes(prompt ?? ""))
    const contents = yield* Effect.forEach(made, ({ id }) =>
      Effect.promise(async () =>
        Buffer.from(await (await fetch(`${server.baseUrl}/videos/${id}/content`)).arrayBuffer())
      )
    )
    const clips = join(at, "clips")
    const files = readdirSync(clips)
    const wholes = joins === undefined ? contents : [joins.film]
    const whole = files.filter((file) => wholes.some((bytes) => bytes.equals(readFileSync(join(clips, file)))))
    return { files, jobs: made.length, log, reached, whole }
  })

/** Runs the worker until all runs have ended; each process ends once each of these sets of runs has reached its next moment. */
export const runKilled = (all: Arr.NonEmptyReadonlyArray<Killed>) =>
  Effect.gen(function* () {
    const parts = yield* Effect.forEach(all, (killed) => Effect.map(folder, (at) => ({ at, killed })))
    const server = yield* VideosServer
    const source = yield* createVideo({ prompt: "the source", size: "64x64", seconds: 4 })
    yield* awaitVideo(source, { poll: Schedule.spaced("50 millis") })
    const worker = yield* workerAt
    const before = new Set<string>((yield* server.jobs).map(({ id }) => id))
    yield* server.faults.set(all.flatMap(({ faults = [] }) => faults))
    const PARTS = JSON.stringify(
      parts.map(({ at, killed }) => ({ BASE_URL: server.baseUrl, SOURCE: source.id, ...environmentOf(at, killed) }))
    )
    const most = Math.max(...all.map(({ kill }) => kill.length)) + 2
    const ends: Array<string> = []
    while (ends.length < most && ends.at(-1) !== "0") ends.push(yield* runProcess(worker, { PARTS }))
    const results = yield* Effect.forEach(parts, ({ at, killed }) => resultOf(at, killed, before))
    return { ends, results }
  })
