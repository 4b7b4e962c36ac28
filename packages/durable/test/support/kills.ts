/** Runs the worker in processes of its own, which kill themselves, until all of its runs have ended. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Fault, VideosServer } from "@effect-videos/server"
import { Effect, Schedule } from "effect"
import { awaitVideo, createVideo } from "effect-videos"
import { programAt, root } from "../../../../test/support/bundle.js"
import { fakePrograms, framesFilm } from "../../../../test/support/fakeFfmpeg.js"

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

/** What came of it: the jobs that were paid for, and the files, by whether they are whole. */
export const runKilled = ({
  faults = [],
  joins,
  keys,
  kill,
  polls = "on",
  postgres,
  same = "",
  signal = "SIGKILL"
}: Killed) =>
  Effect.gen(function* () {
    const at = yield* folder
    const server = yield* VideosServer
    const source = yield* createVideo({ prompt: "the source", size: "64x64", seconds: 4 })
    yield* awaitVideo(source, { poll: Schedule.spaced("50 millis") })
    const worker = yield* workerAt
    const before = new Set((yield* server.jobs).map(({ id }) => id))
    yield* server.faults.set(faults)
    const env = {
      BASE_URL: server.baseUrl,
      FOLDER: at,
      KEYS: keys.join(","),
      KILL: kill.join(","),
      ...(postgres === undefined ? {} : { POSTGRES: postgres.url, LISTEN: String(postgres.listen) }),
      POLLS: polls,
      PROGRAMS: joins?.programs ?? "",
      SAME: same,
      SIGNAL: signal,
      SOURCE: source.id
    }
    const ends: Array<string> = []
    while (ends.length <= kill.length + 1 && ends.at(-1) !== "0") ends.push(yield* runProcess(worker, env))
    const log = readFileSync(join(at, "log"), "utf8")
    const reached = kill.filter((point) => existsSync(join(at, `reached ${point}`)))
    const made = (yield* server.jobs).filter(({ id }) => !before.has(id))
    const contents = yield* Effect.forEach(made, ({ id }) =>
      Effect.promise(async () =>
        Buffer.from(await (await fetch(`${server.baseUrl}/videos/${id}/content`)).arrayBuffer())
      )
    )
    const clips = join(at, "clips")
    const files = readdirSync(clips)
    const wholes = joins === undefined ? contents : [joins.film]
    const whole = files.filter((file) => wholes.some((bytes) => bytes.equals(readFileSync(join(clips, file)))))
    return { ends, files, jobs: made.length, log, reached, whole }
  })
