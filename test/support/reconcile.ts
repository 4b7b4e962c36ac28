/** Submissions against the embedded server in-process, by a clock that goes on where everything waits for it. */
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

/** The event loop goes round once. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** A form goes through the file system. */
const rest = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

/** So many rounds without an end are taken for waiting: an exchange in-process takes far fewer. */
const patience = 60

/** Runs with the test's clock going to the next time that anything waits for, once nothing else happens. */
export const driven = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: { readonly withFiles?: boolean }
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    // To servers, 1970 is no time at all.
    yield* TestClock.adjust("1000 days")
    const fiber = yield* Effect.fork(effect)
    while (true) {
      for (let count = 0; count < patience; count++) {
        yield* options?.withFiles === true && count % 4 === 0 ? rest : turn
        if (fiber.unsafePoll() !== null) return yield* Fiber.join(fiber)
      }
      const now = yield* TestClock.currentTimeMillis
      const due = Chunk.filter(yield* TestClock.sleeps(), (at) => at > now)
      if (Chunk.isNonEmpty(due)) yield* TestClock.setTime(Math.min(...due))
    }
  })

/** What became of a call, in words: a job's id, or the error. */
export const outcome = <E extends { readonly _tag: string }, R>(
  call: Effect.Effect<VideoResource, E, R>
): Effect.Effect<VideoResource | E, never, R> => Effect.merge(call)

export type Submit = (options?: SubmitOptions) => Effect.Effect<VideoResource, ExtendVideoError, Videos>

/** A finished clip of 4 seconds. */
export const source = createVideo({ prompt: "the source", size: "64x64", seconds: 4 })

const picture = VideoFile.fromBytes(new TextEncoder().encode("\x89PNG"), { name: "a.png", contentType: "image/png" })

/** Every operation that makes a job; the source is there before. */
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

/** What the server has had, and made. */
export const facts = Effect.gen(function* () {
  const { faults, jobs } = yield* VideosServer
  const log = yield* faults.log
  return {
    ids: (yield* jobs).map(({ id }): string => id),
    sent: log.filter(({ method }) => method === "POST").length,
    looks: log.filter(({ operation }) => operation === "list"),
    /** In seconds since the first request. */
    times: log.map(({ at }) => (at - (log[0]?.at ?? 0)) / 1000)
  }
})

/** Two submissions that are alike, at once: each is told one of the two jobs that there are then. */
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
