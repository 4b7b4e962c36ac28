/** Servers that refuse an `Idempotency-Key` that they have seen, in place of the job that they made for it. */
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, TestClock } from "effect"
import {
  createCharacter,
  createVideo,
  editVideo,
  extendVideo,
  remixVideo,
  type SubmitOptions,
  VideoFile,
  type Videos,
  type VideosConfigOptions
} from "effect-videos"
import { isKeyRejection } from "../src/internal/http/keyRejection.js"
import { json, routes, serve } from "./support/server.js"
import {
  anyClient,
  atOnce,
  job,
  quiet,
  respondBroken,
  respondJson,
  videosOver,
  videosScripted
} from "./support/videos.js"

addEqualityTesters()

/** Unix seconds at which the tests begin. */
const now = 1000 * 24 * 60 * 60
const hour = 3600

const made = (id: string, age: number, fields: object = {}) =>
  job({ id, created_at: now - age, prompt: "a lighthouse", ...fields })

const reuse = { error: { code: "idempotency_key_reuse", message: "This key was used before." } }

const rejections: ReadonlyArray<readonly [number, unknown]> = [
  [422, reuse],
  [409, { error: { type: "request_in_progress", message: "wait" } }],
  [409, { code: "request_in_progress", message: "wait" }],
  [409, { code: "REQUEST_ALREADY_IN_PROGRESS", message: "wait" }],
  [400, { error: { type: "idempotency_error", message: "Keys for idempotent requests are for one request." } }],
  [400, { error: { type: "idempotency_error", code: "key_in_use", message: "no" } }],
  [409, { error: "idempotency_conflict", message: "no" }],
  [422, { detail: { code: "idempotency_key_in_use" } }],
  [409, { type: "https://api.invalid/errors/idempotency-key-reused", title: "no", detail: "no" }],
  [409, { code: "duplicate_request" }],
  [400, { code: "IdempotencyKeyReused" }],
  [425, { code: "request_in_progress" }],
  [425, { error: { message: "This Idempotency-Key is being processed." } }],
  [409, { message: "A request with this key is already in progress" }],
  [422, { detail: "Idempotency-Key already used" }],
  [412, { error: { code: "idempotent_request_conflict" } }],
  [200, { code: "duplicate_request", message: "no", data: null }]
]

type Respond = Parameters<typeof videosScripted>[0]

const page = (...jobs: ReadonlyArray<object>) => respondJson(200, { data: jobs, has_more: false })

/** How a submission ends if `post` responds to POSTs, and `list` to reads of the list. */
const outcome = (
  post: Respond,
  list: Respond,
  options: SubmitOptions & { readonly config?: VideosConfigOptions } = { idempotencyKey: "order-17" },
  submit: (options: SubmitOptions) => Effect.Effect<unknown, { readonly _tag: string }, Videos> = (given) =>
    createVideo({ prompt: "a lighthouse" }, given)
) =>
  Effect.gen(function* () {
    const counts = { post: 0, list: 0 }
    const { config, ...given } = options
    const { layer } = videosScripted(
      (_, request) =>
        request.method === "POST" ? post(counts.post++, request) : Effect.suspend(() => list(counts.list++, request)),
      { onUnknownOutcome: "reconcile", listLag: "5 seconds", submitRetry: Schedule.recurs(3), ...config }
    )
    yield* TestClock.adjust(now * 1000)
    const fiber = yield* Effect.fork(Effect.merge(submit(given)).pipe(Effect.provide(Layer.merge(layer, quiet))))
    for (let part = 0; part < 6; part++) yield* TestClock.adjust("5 seconds")
    return { result: yield* Fiber.join(fiber), counts }
  })

const rejected = () => respondJson(422, reuse)

describe("a key that the caller kept from an earlier process, and that the server refuses", () => {
  it.scoped.each(rejections)("means the one job that matches the request (%i %j)", ([status, body]) =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        () => respondJson(status, body),
        () => page(made("video_8", hour, { prompt: "another" }), made("video_7", 2 * hour))
      )
      expect(result).toMatchObject({ id: "video_7" })
      expect(counts.post).toBe(1)
    })
  )

  const submits = {
    extendVideo: (given: SubmitOptions) => extendVideo({ video: "video_0", prompt: "a lighthouse", seconds: 4 }, given),
    editVideo: (given: SubmitOptions) => editVideo({ video: "video_0", prompt: "a lighthouse" }, given),
    remixVideo: (given: SubmitOptions) => remixVideo({ video: "video_0", prompt: "a lighthouse" }, given)
  }
  it.scoped.each(Object.entries(submits))("means the job of %s", ([, submit]) =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        rejected,
        () => page(made("video_7", hour, { remixed_from_video_id: "video_0", seconds: "8" })),
        { idempotencyKey: "order-17" },
        submit
      )
      expect(result).toMatchObject({ id: "video_7" })
      expect(counts.post).toBe(1)
    })
  )

  const open: ReadonlyArray<readonly [string, Respond, ReadonlyArray<string>, RegExp]> = [
    [
      "the list has a job of another prompt alone",
      () => page(made("video_7", hour, { prompt: "another" })),
      ["video_7"],
      /no job that is like/
    ],
    ["the list is empty", () => page(), [], /no job that is like/],
    [
      "two are like the request",
      () => page(made("video_8", 60), made("video_7", hour)),
      ["video_8", "video_7"],
      /2 jobs/
    ],
    ["the only one is too old", () => page(made("video_7", 25 * hour)), ["video_7"], /last 24 hours/],
    ["the jobs have no times", () => page(made("video_7", hour, { created_at: null })), ["video_7"], /24 hours/],
    ["the jobs have no prompts", () => page(made("video_7", hour, { prompt: null })), ["video_7"], /no job/],
    [
      "the list does not go back far enough",
      (index) => {
        const at = index % 5
        const video = made(at === 0 ? "video_7" : `video_${at}`, 60 + at, at === 0 ? {} : { prompt: "another" })
        return respondJson(200, { data: [video], has_more: true })
      },
      ["video_7", "video_1", "video_2", "video_3", "video_4"],
      /do not go back/
    ],
    ["the list cannot be read", () => respondJson(404, {}), [], /could not be read/]
  ]
  it.scoped.each(open)("is uncertain if %s, and is not sent again", ([, list, ids, detail]) =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(rejected, list)
      expect(result).toMatchObject({
        _tag: "SubmissionUncertainError",
        idempotencyKey: "order-17",
        reason: { _tag: "BadRequestError", status: 422, code: "idempotency_key_reuse" },
        detail: expect.stringMatching(detail),
        candidates: ids.map((id) => ({ id })),
        message: expect.stringContaining("do not send it under another key")
      })
      expect(counts.post).toBe(1)
    })
  )

  it.scoped("is uncertain if the server reports its use with another request", () =>
    Effect.gen(function* () {
      const message =
        "Keys for idempotent requests can only be used with the same parameters they were first used with."
      const { counts, result } = yield* outcome(
        () => respondJson(400, { error: { type: "idempotency_error", message } }),
        () => page(made("video_7", hour))
      )
      expect(result).toMatchObject({ _tag: "SubmissionUncertainError", candidates: [{ id: "video_7" }] })
      expect(counts.post).toBe(1)
    })
  )

  it.scoped("waits for a job that is not on the list yet", () =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        () => respondJson(409, { code: "request_in_progress" }),
        (index) => (index < 2 ? page() : page(made("video_7", -2)))
      )
      expect(result).toMatchObject({ id: "video_7" })
      expect(counts).toEqual({ post: 1, list: 3 })
    })
  )

  it.scoped("is uncertain at once with `fail`", () =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(rejected, () => page(), {
        idempotencyKey: "order-17",
        onUnknownOutcome: "fail"
      })
      expect(result).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "BadRequestError" } })
      expect(counts).toEqual({ post: 1, list: 0 })
    })
  )

  it.scoped("is searched for, and not sent again, with `resend`", () =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(rejected, () => page(made("video_7", hour)), {
        idempotencyKey: "order-17",
        onUnknownOutcome: "resend"
      })
      expect(result).toMatchObject({ id: "video_7" })
      expect(counts.post).toBe(1)
    })
  )

  it.scoped("leaves a character uncertain: servers have no list of them", () =>
    Effect.gen(function* () {
      const { result } = yield* outcome(
        rejected,
        () => page(),
        { idempotencyKey: "order-17" },
        (given) => createCharacter({ name: "x", video: VideoFile.fromBytes(new Uint8Array(9)) }, given)
      )
      expect(result).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "BadRequestError" } })
    })
  )

  it.scopedLive.each([anyClient])("means its job over a socket ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const server = yield* serve(
        routes({
          "POST /v1/videos": json(422, reuse),
          "GET /v1/videos?limit=100&order=desc": json(200, {
            data: [job({ id: "video_7", created_at: Math.floor(Date.now() / 1000) - hour })],
            has_more: false
          })
        })
      )
      const video = yield* createVideo({ prompt: "a lighthouse" }, { idempotencyKey: "order-17" }).pipe(
        Effect.provide(videosOver(server, { onUnknownOutcome: "reconcile", listLag: 0, submitRetry: atOnce(3) }, layer))
      )
      expect(video.id).toBe("video_7")
      expect(server.requests.filter(({ method }) => method === "POST")).toHaveLength(1)
    })
  )
})

describe("a key that this call has sent before, and that the server refuses", () => {
  const second =
    (first: Respond): Respond =>
    (index, request) =>
      index === 0 ? first(index, request) : respondJson(409, { code: "request_in_progress" })

  it.scoped("means the job of the first request, whose response was lost", () =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        second((_, request) => respondBroken(request, "ECONNRESET")),
        () => page(made("video_7", 0)),
        { onUnknownOutcome: "resend" }
      )
      expect(result).toMatchObject({ id: "video_7" })
      expect(counts.post).toBe(2)
    })
  )

  it.scoped("is not sent a third time, though the list shows no job of it", () =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        second(() => respondJson(503, {}, { "retry-after": "0" })),
        () => page(made("video_1", 9 * hour)),
        {}
      )
      expect(result).toMatchObject({ _tag: "SubmissionUncertainError", reason: { _tag: "ConflictError" } })
      expect(counts.post).toBe(2)
    })
  )

  it.scoped("does not stand for an older job: the key is new", () =>
    Effect.gen(function* () {
      const { result } = yield* outcome(
        second(() => respondJson(429, {})),
        () => page(made("video_7", hour)),
        {}
      )
      expect(result).toMatchObject({ _tag: "SubmissionUncertainError", candidates: [{ id: "video_7" }] })
    })
  )
})

describe("another refusal", () => {
  it.scoped.each([
    [409, {}, "ConflictError"],
    [409, { error: { code: "conflict", message: "the source is still in progress" } }, "ConflictError"],
    [409, { error: { code: "video_in_progress", message: "not completed yet" } }, "ConflictError"],
    [400, { error: { code: "invalid_idempotency_key", message: "at most 64 characters" } }, "BadRequestError"],
    [400, { error: { code: "idempotency_key_missing", message: "Idempotency-Key is required" } }, "BadRequestError"],
    [422, { detail: [{ loc: ["body", "seconds"], msg: "already too long", type: "value_error" }] }, "BadRequestError"]
  ] as const)("is what it was (%i %j)", ([status, body, tag]) =>
    Effect.gen(function* () {
      const { counts, result } = yield* outcome(
        () => respondJson(status, body),
        () => page()
      )
      expect(result).toMatchObject({ _tag: tag })
      expect(counts).toEqual({ post: 1, list: 0 })
    })
  )

  it("is not about the key if it is of another kind", () => {
    expect(isKeyRejection({ _tag: "UploadError" })).toBe(false)
  })
})
