/**
 * Runs durable videos until all of its runs have ended, or until it kills itself: at the first of `KILL` (names of moments,
 * with commas between) that no process before it has reached. With `PARTS`, it does so for each of these environments, and kills
 * itself once each has reached its moment. Each event is a line of `LOG`.
 */
import { appendFileSync, existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { DurableVideos, type RunOptions, VideoStore } from "@effect-videos/durable"
import { Effect, Exit, Layer, Logger, Stream } from "effect"
import { Videos } from "effect-videos"
import { Checkpoint } from "../../src/internal/settings.js"
import { promptOf } from "../support/runs.js"

type Environment = Readonly<Partial<Record<string, string>>>

const { PARTS = "" } = process.env
const parts: ReadonlyArray<Environment> = PARTS === "" ? [process.env] : JSON.parse(PARTS)

/** How many parts wait at a moment for the end of this process. */
let reached = 0
let end = (): void => {}
const ended = new Promise<void>((resolve) => {
  end = resolve
})

const runPart = (environment: Environment) => {
  const { BASE_URL = "", FOLDER = "", KEYS = "", KILL = "", POLLS = "on", SAME = "", SOURCE = "" } = environment
  /** How it ends itself. */
  const signal = environment["SIGNAL"] === "SIGTERM" ? "SIGTERM" : "SIGKILL"
  /** With this, the runs are to a length, and join clips of their own with the programs of this directory. */
  const { PROGRAMS = "" } = environment
  /** With these, it is a runner on Postgres. */
  const { LISTEN = "", POSTGRES = "" } = environment
  /** `on`: each moment is a line of the log. */
  const { STEPS = "off" } = environment

  const log = (event: string) => appendFileSync(join(FOLDER, "log"), `${Date.now()} ${process.pid} ${event}\n`)

  const points = KILL.split(",")
  let isReached = false

  /** If the moment is to be tried, and was not yet: waits until each part has reached one, then kills this process. */
  const reach = async (point: string): Promise<void> => {
    if (isReached || !points.includes(point)) return
    const flag = join(FOLDER, `reached ${point}`)
    if (existsSync(flag)) return
    isReached = true
    writeFileSync(flag, "")
    log(`killed ${point}`)
    if (++reached === parts.length) {
      process.kill(process.pid, signal)
      end()
    }
    return ended
  }

  /** Passes the first half of a body on, then reaches "in download". */
  const halved = async (response: Response): Promise<Response> => {
    const bytes = new Uint8Array(await response.arrayBuffer())
    const half = Math.floor(bytes.length / 2)
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (sent === 1) await new Promise((resolve) => setTimeout(resolve, 50))
        if (sent === 1) await reach("in download")
        controller.enqueue(sent++ === 0 ? bytes.subarray(0, half) : bytes.subarray(half))
        if (sent === 2) controller.close()
      }
    })
    return new Response(body, { status: response.status, headers: response.headers })
  }

  const fetchWithKills: typeof globalThis.fetch = async (input, init) => {
    const isSubmission = init?.method === "POST"
    if (isSubmission) log("sent")
    const inRequest = async () => {
      // The server has the request, and perhaps has made the job.
      await new Promise((resolve) => setTimeout(resolve, 4))
      await reach("in request")
    }
    const [response] = await Promise.all([fetch(input, init), isSubmission ? inRequest() : undefined])
    const isContent = String(input).includes("/content") && response.status === 200
    return isContent && points.includes("in download") ? halved(response) : response
  }

  const options: RunOptions = {
    // Without polls, and with no webhook: the durable clock alone.
    ...(POLLS === "on"
      ? { polling: { min: "250 millis", max: "250 millis" } }
      : { polling: { min: "1 hour", max: "1 hour" } }),
    safetyNet: POLLS === "on" ? "2 minutes" : "1 second",
    retryAfter: "100 millis",
    sweepEvery: "1 second",
    ...(PROGRAMS === "" ? {} : { ffmpeg: join(PROGRAMS, "ffmpeg"), ffprobe: join(PROGRAMS, "ffprobe") })
  }

  /** Loaded when it is used: its driver and its server are as large as all else. */
  const postgres = Effect.map(
    Effect.promise(() => import("@effect-videos/durable/Postgres")),
    ({ layer }) => layer({ ...options, url: POSTGRES, listen: { host: "127.0.0.1", port: Number(LISTEN) } })
  )

  const database =
    POSTGRES === ""
      ? DurableVideos.layerSqlite({ ...options, filename: join(FOLDER, "videos.db") })
      : Layer.unwrapEffect(postgres)

  const live = database.pipe(
    Layer.provide(VideoStore.layerDirectory(join(FOLDER, "clips"))),
    Layer.provide(Videos.layer({ baseUrl: BASE_URL, listLag: "100 millis", requestTimeout: "1 minute" })),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetchWithKills)),
    Layer.provide(
      Layer.succeed(Checkpoint, (name) =>
        Effect.promise(() => {
          if (STEPS === "on") log(`step ${name}`)
          return reach(name)
        })
      )
    ),
    Layer.provide(
      Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => log(`log ${String(message)}`))
      )
    )
  )

  const program = Effect.gen(function* () {
    const durable = yield* DurableVideos
    log("ready")
    if (KEYS === "") return yield* Effect.never
    yield* Effect.forEach(
      KEYS.split(","),
      (key) =>
        Effect.gen(function* () {
          const prompt = promptOf(SAME === "" ? key : SAME)
          const long = { video: SOURCE, prompts: [prompt], totalSeconds: 8, size: "64x64", extension: "never" } as const
          const { execution } = yield* PROGRAMS === ""
            ? durable.extend({ video: SOURCE, prompt, seconds: 4 }, { key })
            : durable.extendTo(long, { key })
          yield* Stream.runForEach(durable.watch(execution), ({ problem, state }) =>
            Effect.promise(async () => {
              log(`${key} ${state} ${problem ?? ""}`)
              if (state === "waiting") await reach("waiting")
            })
          )
        }),
      { concurrency: "unbounded" }
    )
    log("all ended")
  })

  return Effect.provide(program, live).pipe(
    Effect.tapErrorCause((cause) => Effect.sync(() => log(`failed ${String(cause)}`))),
    Effect.onExit(() => Effect.sync(() => log("closed")))
  )
}

NodeRuntime.runMain(Effect.forEach(parts, runPart, { concurrency: "unbounded", discard: true }), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Exit.isInterrupted(exit) ? 130 : 1)
})
