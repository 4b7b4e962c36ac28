import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Arbitrary, Duration, FastCheck, Schema } from "effect"
import * as Errors from "effect-videos/Errors"
import { VideoResource } from "effect-videos/Schema"
import { job } from "./support/videos.js"

addEqualityTesters()

const video = Schema.decodeUnknownSync(VideoResource)(job({ url: "https://cdn/1.mp4" }))

const response = {
  operation: "extendVideo",
  status: 503,
  requestId: "req_1",
  code: "overloaded",
  detail: "come back later",
  retryAfter: Duration.millis(1500),
  shouldRetry: null
} as const

const transport = new Errors.TransportError({
  operation: "retrieveVideo",
  reason: "exchange",
  origin: "http://h:1",
  detail: "socket hang up",
  cause: new Error("socket hang up")
})

const undecodable = {
  operation: "retrieveVideo",
  route: "GET /videos/video_1",
  status: 200,
  requestId: null,
  detail: "it is empty",
  body: ""
} as const

const submission = { operation: "createVideo", idempotencyKey: "k" } as const

/** At least one of each, with whether it is worth another try, and what its message has to say. */
const samples: ReadonlyArray<
  readonly [error: Error & { readonly _tag: string }, isTransient: boolean, message: RegExp]
> = [
  [
    new Errors.InvalidRequestError({
      operation: "extendVideo",
      field: "video.id",
      received: "nothing",
      accepted: "an id"
    }),
    false,
    /^extendVideo: `video\.id` must be an id; received nothing\. Nothing was sent\.$/
  ],
  [
    new Errors.UploadError({ operation: "extendVideo", file: "a.mp4", detail: "gone", cause: new Error("ENOENT") }),
    false,
    /cannot upload a\.mp4: gone/
  ],
  [transport, true, /connection to http:\/\/h:1 lost: socket hang up/],
  [
    new Errors.TransportError({ operation: "createVideo", reason: "connect", origin: "http://h:1", detail: "refused" }),
    true,
    /no connection to http:\/\/h:1: refused/
  ],
  [
    new Errors.RequestTimeoutError({ operation: "createVideo", timeout: Duration.seconds(60), origin: "http://h:1" }),
    true,
    /no response from http:\/\/h:1 within 60 s/
  ],
  [
    new Errors.RedirectError({ operation: "createVideo", status: 307, location: "http://b/v1", reason: "submission" }),
    false,
    /redirect to http:\/\/b\/v1 \(HTTP 307\) not followed/
  ],
  [
    new Errors.ResponseDecodeError({ ...undecodable, reason: "syntax" }),
    true,
    /cannot read the response to GET .*empty/
  ],
  [new Errors.ResponseDecodeError({ ...undecodable, reason: "shape" }), false, /\(HTTP 200\)/],
  [
    new Errors.SubmissionUncertainError({ ...submission, reason: transport, candidates: [video] }),
    false,
    /read the list before/
  ],
  [
    new Errors.SubmissionUncertainError({ ...submission, reason: new Errors.ServerError(response), candidates: [] }),
    false,
    /unknown whether the server made a job.*come back later/
  ],
  [
    new Errors.AuthenticationError({ ...response, reason: "unauthenticated" }),
    false,
    /API key.*HTTP 503, request req_1\): come back later/
  ],
  [new Errors.AuthenticationError({ ...response, reason: "forbidden" }), false, /not permitted/],
  [new Errors.RateLimitedError(response), true, /rate limited, wait 1\.5 s/],
  [new Errors.QuotaExceededError(response), false, /quota is used up/],
  [new Errors.ModerationBlockedError(response), false, /moderation/],
  [new Errors.BadRequestError({ ...response, param: "seconds" }), false, /`seconds` not accepted/],
  [new Errors.BadRequestError(response), false, /request not accepted/],
  [new Errors.ConflictError(response), true, /conflict/],
  [new Errors.ServerError(response), true, /the server failed/],
  [
    new Errors.OperationUnsupportedError({ ...response, route: "POST /videos/extensions", origin: "http://h:1" }),
    false,
    /http:\/\/h:1 does not serve POST \/videos\/extensions/
  ],
  [new Errors.VideoNotFoundError({ ...response, videoId: "video_1" }), false, /no video video_1/],
  [new Errors.CharacterNotFoundError({ ...response, characterId: "char_1" }), false, /no character char_1/],
  [new Errors.VideoNotReadyError({ operation: "downloadVideo", video }), true, /video_1 is not ready \(queued, 0 %\)/],
  [
    new Errors.VideoExpiredError({ operation: "downloadVideo", video }),
    false,
    /video video_1 has completed, but the server does not have its content/
  ],
  [
    new Errors.VideoContentNotFoundError({
      ...response,
      route: "GET /videos/video_1/content",
      video,
      addresses: [{ field: "files.mp4", location: "https://cdn/a.mp4" }]
    }),
    false,
    /video_1 has completed, but GET .* returned HTTP .*`files\.mp4` \(https:\/\/cdn\/a\.mp4\)/
  ],
  [new Errors.VideoFailedError({ operation: "awaitVideo", video }), false, /ended as queued: no reason given/],
  [
    new Errors.WatchTimeoutError({
      operation: "watchVideo",
      reason: "deadline",
      videoId: "video_1",
      lastSnapshot: video,
      elapsed: Duration.minutes(10)
    }),
    false,
    /did not end within 600 s \(last seen as queued\)/
  ],
  [
    new Errors.WatchTimeoutError({
      operation: "watchVideo",
      reason: "stalled",
      videoId: "video_1",
      lastSnapshot: video,
      elapsed: Duration.minutes(10),
      unchangedFor: Duration.minutes(5)
    }),
    false,
    /has not changed for 300 s/
  ]
]

const named = samples.map(([error, isTransient, message]) => ({ tag: error._tag, error, isTransient, message }))

/** Every tag that the module exports. */
const exported = Object.entries(Errors).flatMap(([name, value]) =>
  typeof value === "function" && value.prototype instanceof Error ? [name] : []
)

describe("every error", () => {
  it("has a sample here, under a tag that is its own name", () => {
    expect([...new Set(named.map(({ tag }) => tag))].sort()).toEqual([...exported].sort())
  })

  it.each(named)("$tag is transient: $isTransient", ({ error, isTransient }) => {
    expect(Errors.isTransient(error)).toBe(isTransient)
  })

  it.each(named)("$tag has a message that names what happened", ({ error, message }) => {
    expect(error.message).toMatch(message)
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe(error._tag)
  })
})

describe("the server's x-should-retry", () => {
  it("wins over the status in both directions", () => {
    const yes = { ...response, shouldRetry: true }
    const no = { ...response, shouldRetry: false }
    for (const given of [yes, no]) {
      const errors = [
        new Errors.AuthenticationError({ ...given, reason: "unauthenticated" }),
        new Errors.AuthenticationError({ ...given, reason: "forbidden" }),
        new Errors.RateLimitedError(given),
        new Errors.BadRequestError(given),
        new Errors.ConflictError(given),
        new Errors.ServerError(given),
        new Errors.VideoNotFoundError({ ...given, videoId: "video_1" }),
        new Errors.CharacterNotFoundError({ ...given, characterId: "char_1" })
      ]
      expect(errors.map(Errors.isTransient)).toEqual(errors.map(() => given.shouldRetry))
    }
  })

  it("does not fill an empty account, nor change a moderator's mind", () => {
    const yes = { ...response, shouldRetry: true }
    expect(Errors.isTransient(new Errors.QuotaExceededError(yes))).toBe(false)
    expect(Errors.isTransient(new Errors.ModerationBlockedError(yes))).toBe(false)
    expect(Errors.isTransient(new Errors.OperationUnsupportedError({ ...yes, route: "r", origin: "o" }))).toBe(false)
  })
})

describe("the predicates", () => {
  it.each([null, undefined, "ServerError", 503, {}, new Error("x"), { isTransient: "true" }])(
    "take %s for nothing that passes",
    (value) => {
      expect(Errors.isTransient(value)).toBe(false)
      expect(Errors.retryAfterOf(value)).toBeNull()
    }
  )

  it("find the server's `Retry-After` in an error that has one", () => {
    expect(Errors.retryAfterOf(new Errors.ServerError(response))).toEqual(Duration.millis(1500))
    expect(Errors.retryAfterOf(new Errors.ServerError({ ...response, retryAfter: null }))).toBeNull()
    expect(Errors.retryAfterOf(transport)).toBeNull()
  })
})

describe("VideoFailedError", () => {
  it.each([
    [{ code: "moderation_blocked", message: "no" }, "moderation_blocked", /moderation_blocked: no$/],
    [{ message: "out of memory" }, null, /: out of memory$/],
    [{ code: 500, message: "" }, "500", /: 500$/],
    [null, null, /no reason given$/]
  ])("returns the server's reason %j", (error, code, message) => {
    const failed = Schema.decodeUnknownSync(VideoResource)(job({ status: "failed", error }))
    const made = new Errors.VideoFailedError({ operation: "awaitVideo", video: failed })
    expect(made.code).toBe(code)
    expect(made.message).toMatch(message)
  })
})

describe("round trips", () => {
  /** Numbers that JSON has: generators also make infinities, which no server and no clock gives. */
  const isJson = (value: unknown): boolean =>
    typeof value === "object" && value !== null
      ? Object.values(value).every(isJson)
      : typeof value !== "number" || Number.isFinite(value)

  const comesBack = <A extends Error & { readonly _tag: string }, I>(schema: Schema.Schema<A, I>, tag: A["_tag"]) => {
    const encode = Schema.encodeSync(schema)
    const decode = Schema.decodeUnknownSync(schema)
    const through = (error: A) => decode(JSON.parse(JSON.stringify(encode(error))))
    /** A cause comes back as an `Error` of the same name and message, and no more. */
    const fields = (error: object) => Object.entries(error).filter(([, value]) => !(value instanceof Error))

    it(`${tag} crosses JSON with its fields and its message`, () => {
      const own = samples.flatMap(([error]) => (Schema.is(schema)(error) ? [error] : []))
      // A first crossing gives durations the precision that they have on the wire.
      const generated = FastCheck.sample(Arbitrary.make(schema), 60)
        .filter((error) => isJson(encode(error)))
        .map(through)
      expect(own.length).toBeGreaterThan(0)
      expect(generated.length).toBeGreaterThan(5)
      for (const error of [...own, ...generated]) {
        const back = through(error)
        expect(back).toBeInstanceOf(Error)
        expect(back._tag).toBe(tag)
        expect(back.message).toBe(error.message)
        expect(fields(back)).toEqual(fields(error))
        expect(Errors.isTransient(back)).toBe(Errors.isTransient(error))
      }
    })
  }

  comesBack(Errors.InvalidRequestError, "InvalidRequestError")
  comesBack(Errors.UploadError, "UploadError")
  comesBack(Errors.TransportError, "TransportError")
  comesBack(Errors.RequestTimeoutError, "RequestTimeoutError")
  comesBack(Errors.RedirectError, "RedirectError")
  comesBack(Errors.ResponseDecodeError, "ResponseDecodeError")
  comesBack(Errors.SubmissionUncertainError, "SubmissionUncertainError")
  comesBack(Errors.AuthenticationError, "AuthenticationError")
  comesBack(Errors.RateLimitedError, "RateLimitedError")
  comesBack(Errors.QuotaExceededError, "QuotaExceededError")
  comesBack(Errors.ModerationBlockedError, "ModerationBlockedError")
  comesBack(Errors.BadRequestError, "BadRequestError")
  comesBack(Errors.ConflictError, "ConflictError")
  comesBack(Errors.ServerError, "ServerError")
  comesBack(Errors.OperationUnsupportedError, "OperationUnsupportedError")
  comesBack(Errors.VideoNotFoundError, "VideoNotFoundError")
  comesBack(Errors.CharacterNotFoundError, "CharacterNotFoundError")
  comesBack(Errors.VideoNotReadyError, "VideoNotReadyError")
  comesBack(Errors.VideoExpiredError, "VideoExpiredError")
  comesBack(Errors.VideoContentNotFoundError, "VideoContentNotFoundError")
  comesBack(Errors.VideoFailedError, "VideoFailedError")
  comesBack(Errors.WatchTimeoutError, "WatchTimeoutError")

  it("a submission's reason crosses with it", () => {
    const error = new Errors.SubmissionUncertainError({ ...submission, reason: transport, candidates: [video] })
    const text = JSON.stringify(Schema.encodeSync(Errors.SubmissionUncertainError)(error))
    const back = Schema.decodeUnknownSync(Errors.SubmissionUncertainError)(JSON.parse(text))
    expect(back.reason).toBeInstanceOf(Errors.TransportError)
    expect(back.reason.message).toBe(transport.message)
    expect(back.candidates).toEqual([video])
  })
})
