/** Runs submissions against the embedded server in-process; the clock advances when all fibers wait for it. */
import { assert } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Chunk, Effect, Fiber, TestClock } from "effect"
import {
  createVideo,
  type ExtendVideoError,
  editVideo,
  extendVideo,
  remixVideo,
  type SubmissionUncertainError,
  type SubmitOptions,
  VideoFile,
  type VideoResource,
  type Videos
} from "effect-videos"
import { isEndedAfter } from "./ownTime.js"

/** If a call has not ended after this many turns, it waits for the clock: an in-process exchange needs far fewer. */
const patience = 24

/** Runs an effect; when nothing else happens, advances the test clock to the next sleep. */
export const driven = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    // Servers treat the year 1970 as a missing time.
    yield* TestClock.adjust("1000 days")
    const fiber = yield* Effect.fork(effect)
    while (!(yield* isEndedAfter(fiber, patience))) {
      const now = yield* TestClock.currentTimeMillis
      const due = Chunk.filter(yield* TestClock.sleeps(), (at) => at > now)
      if (Chunk.isNonEmpty(due)) yield* TestClock.setTime(Math.min(...due))
    }
    return yield* Fiber.join(fiber)
  })

/** Returns the result of a call as text: the id of the job, or the error. */
export const outcome = <E extends { readonly _tag: string }, R>(
  call: Effect.Effect<VideoResource, E, R>
): Effect.Effect<VideoResource | E, never, R> => Effect.merge(call)

export type Submit = (options?: SubmitOptions) => Effect.Effect<VideoResource, ExtendVideoError, Videos>

/** Makes a completed clip of 4 seconds. */
export const source = createVideo({ prompt: "the source", size: "64x64", seconds: 4 })

const picture = VideoFile.fromBytes(new TextEncoder().encode("\x89PNG"), { name: "a.png", contentType: "image/png" })

/** All operations that make a job; the source exists before. */
export const submissions: ReadonlyArray<{
  readonly name: string
  readonly on: "create" | "extend" | "edit" | "remix"
  readonly submit: (source: string, prompt?: string) => Submit
}> = [
  {
    name: "createVideo",
    on: "create",
    submit:
      (_, prompt = "a lighthouse") =>
      (options) =>
        createVideo({ prompt, model: "sora-2", seconds: 8, size: "64x64" }, options)
  },
  {
    name: "createVideo with a file",
    on: "create",
    submit:
      (_, prompt = "a lighthouse") =>
      (options) =>
        createVideo({ prompt, size: "64x64", inputReference: picture }, options)
  },
  {
    name: "extendVideo",
    on: "extend",
    submit:
      (video, prompt = "and on") =>
      (options) =>
        extendVideo({ video, prompt, seconds: 8 }, options)
  },
  {
    name: "editVideo",
    on: "edit",
    submit:
      (video, prompt = "in winter") =>
      (options) =>
        editVideo({ video, prompt }, options)
  },
  {
    name: "remixVideo",
    on: "remix",
    submit:
      (video, prompt = "at night") =>
      (options) =>
        remixVideo({ video, prompt }, options)
  }
]

/** Requests and jobs of the server. */
export const facts = Effect.gen(function* () {
  const { faults, jobs } = yield* VideosServer
  const log = yield* faults.log
  return {
    ids: (yield* jobs).map(({ id }): string => id),
    sent: log.filter(({ method }) => method === "POST").length,
    listPaths: log.filter(({ operation }) => operation === "list").map(({ path }) => path),
    /** Seconds since the first request. */
    times: log.map(({ at }) => (at - (log[0]?.at ?? 0)) / 1000)
  }
})

/** Runs two equal submissions concurrently: each returns one of the two jobs. */
export const endAsTwo = Effect.gen(function* () {
  const call = createVideo({ prompt: "x" })
  const both = yield* Effect.all([call, call], { concurrency: 2 })
  assert.sameMembers(
    both.map(({ id }): string => id),
    (yield* facts).ids
  )
  assert.lengthOf((yield* facts).ids, 2)
})

export const isUncertain = (value: unknown): value is SubmissionUncertainError =>
  typeof value === "object" && value !== null && "_tag" in value && value._tag === "SubmissionUncertainError"
