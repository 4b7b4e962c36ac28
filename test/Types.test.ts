import { readdirSync, readFileSync } from "node:fs"
import { assert, beforeAll, describe, expectTypeOf, it } from "@effect/vitest"
import type { Effect, Stream } from "effect"
import type {
  AwaitVideoError,
  awaitVideo,
  CreateVideoError,
  createVideo,
  DownloadVideoError,
  downloadVideo,
  EditAndWatchError,
  ExtendAndWatchError,
  ExtendVideoError,
  editAndWatch,
  extendAndWatch,
  extendVideo,
  RemixAndWatchError,
  RetrieveVideoError,
  remixAndWatch,
  retrieveVideo,
  VideoResource,
  Videos,
  WatchVideoError,
  watchVideo
} from "effect-videos"
import { compile, type Problem, root } from "./support/compile.js"

const prelude = `
import { Effect, Layer, Schedule, Stream } from "effect"
import { Redacted } from "effect"
import { awaitVideos, createVideo, extendVideo, isTransient, retrieveVideo, Videos, watchVideo, watchVideos, VideosConfig } from "effect-videos"
import { makeVideos } from "effect-videos/promise"
import { memoryReplayStore, receiveWebhook, Webhooks } from "effect-videos/Webhook"
const secrets = Redacted.make("a secret")
const request = { video: "video_1", prompt: "on", seconds: 8 } as const
`

/** Programs that a mistake in them keeps from compiling, and what the compiler says. */
const mistakes: { readonly [mistake: string]: readonly [code: string, message: RegExp] } = {
  "seconds as a text": [
    `extendVideo({ video: "video_1", prompt: "on", seconds: "8" })`,
    /Type 'string' is not assignable to type 'number'/
  ],
  "an extension without a source": [`extendVideo({ prompt: "on", seconds: 8 })`, /Property 'video' is missing/],
  "a field that there is not": [
    `createVideo({ prompt: "on", second: 8 })`,
    /'second' does not exist in type 'CreateVideoRequest'/
  ],
  "both a picture's URL and its file id": [
    `createVideo({ prompt: "on", inputReference: { imageUrl: "https://x", fileId: "y" } })`,
    /is not assignable to type/
  ],
  "a missing service": [`Effect.runPromise(extendVideo(request))`, /Type 'Videos' is not assignable to type 'never'/],
  "a layer whose client is missing": [
    `Effect.runPromise(Effect.provide(extendVideo(request), Videos.layerConfig))`,
    /Type 'HttpClient' is not assignable to type 'never'/
  ],
  "an unhandled error": [
    `const safe: Effect.Effect<unknown, never, Videos> = Effect.catchTag(extendVideo(request), "QuotaExceededError", () => Effect.void)`,
    /is not assignable to type 'never'/
  ],
  "a tag that cannot occur": [
    `Effect.catchTags(retrieveVideo("video_1"), { SubmissionUncertainError: () => Effect.void })`,
    /is not assignable to type 'never'/
  ],
  "a poll schedule that wants another input": [
    `watchVideo("video_1", { poll: Schedule.recurWhile((n: number) => n > 1) })`,
    /is not assignable to type/
  ],
  "a time without a unit in words": [
    `watchVideo("video_1", { totalTimeout: "15 parsecs" })`,
    /is not assignable to type/
  ],
  "a replay store beside the webhooks' layer, which it does not reach": [
    `Layer.mergeAll(Webhooks.layer({ secrets }), memoryReplayStore())`,
    /Property '\[LayerTypeId\]' is missing/
  ],
  "a replay store whose services are missing": [
    `Effect.runPromise(Effect.provide(receiveWebhook({ headers: {}, body: "" }), Webhooks.layer({ secrets, replayStore: Effect.zipRight(Videos, memoryReplayStore()) })))`,
    /Type 'Videos' is not assignable to type 'never'/
  ],
  "a replay store that does not compare tokens by name": [
    `Webhooks.layer({ secrets, replayStore: Effect.succeed({ claim: () => Effect.succeed("claimed" as const) }) })`,
    /missing the following properties from type 'WebhookReplayStore': complete, release/
  ],
  "a parsed webhook body": [`receiveWebhook({ headers: {}, body: {} })`, /is not assignable to type 'WebhookBody'/],
  "a number as jobs": [`watchVideos(1)`, /is not assignable to parameter of type/],
  "a Stream as jobs to await": [`awaitVideos(Stream.make("video_1"))`, /is not assignable to parameter of type/],
  "jobs without ids": [`makeVideos().watchMany([{}])`, /is not assignable to type/],
  "a key that is a number": [
    `VideosConfig.layer({ apiKey: 1 })`,
    /Type 'number' is not assignable to type 'string \| Redacted<string>/
  ]
}

const path = (name: string) => `${root}test/mistake-${name.replace(/\W+/g, "-")}.ts`

const mistaken: ReadonlyArray<readonly [path: string, code: string]> = [
  [path("none"), `${prelude}extendVideo(request)\n`],
  ...Object.entries(mistakes).map(([name, [code]]) => [path(name), `${prelude}${code}\n`] as const)
]

/** The examples of docstrings, each beside the file that it comes from, so that relative imports mean the same. */
const documented: ReadonlyArray<readonly [path: string, code: string]> = readdirSync(`${root}src`, {
  recursive: true,
  encoding: "utf8"
})
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) =>
    [
      ...readFileSync(`${root}src/${name}`, "utf8").matchAll(
        /^ *\* @example\n((?: *\*(?! @).*\n)*?)(?= *\* @| *\*\/)/gm
      )
    ].map(([, block = ""], index) => {
      const code = block.replace(/^ *\* ?/gm, "")
      const path = `${root}src/${name.replace(/[^/]*$/, "")}example-${name.replace(/\W/g, "-")}-${index}.ts`
      return [path, `${code}\nexport {}\n`] as const
    })
  )

/** What is wrong with all of them, which one program finds. */
let problems: ReadonlyArray<Problem> = []
beforeAll(() => {
  problems = compile(new Map([...mistaken, ...documented]))
})

describe("docstrings", () => {
  it("have examples that compile", () => {
    assert.isAbove(documented.length, 10)
    const paths = documented.map(([path]) => path)
    assert.deepStrictEqual(
      problems.filter(({ path }) => paths.includes(path)),
      []
    )
  })
})

describe("types", () => {
  it("keep mistakes from compiling, each for its own reason", () => {
    for (const [name, [, message]] of Object.entries(mistakes)) {
      const found = problems.filter((problem) => problem.path === path(name))
      assert.strictEqual(found.length, 1, name)
      assert.match(found[0]?.message ?? "", message, name)
    }
    assert.isFalse(
      problems.some((problem) => problem.path === path("none")),
      "the program without a mistake compiles"
    )
  })

  it("name one union per operation, and the service alone", () => {
    type Of<F extends (...args: never) => unknown> = ReturnType<F>
    expectTypeOf<Of<typeof createVideo>>().toEqualTypeOf<Effect.Effect<VideoResource, CreateVideoError, Videos>>()
    expectTypeOf<Of<typeof extendVideo>>().toEqualTypeOf<Effect.Effect<VideoResource, ExtendVideoError, Videos>>()
    expectTypeOf<Of<typeof retrieveVideo>>().toEqualTypeOf<Effect.Effect<VideoResource, RetrieveVideoError, Videos>>()
    expectTypeOf<Of<typeof awaitVideo<never, never>>>().toEqualTypeOf<
      Effect.Effect<VideoResource, AwaitVideoError, Videos>
    >()
    expectTypeOf<Of<typeof downloadVideo>>().toEqualTypeOf<Stream.Stream<Uint8Array, DownloadVideoError, Videos>>()
    expectTypeOf<Of<typeof watchVideo>>().toEqualTypeOf<Stream.Stream<VideoResource, WatchVideoError, Videos>>()
    expectTypeOf<Of<typeof extendAndWatch>>().toEqualTypeOf<Stream.Stream<VideoResource, ExtendAndWatchError, Videos>>()
    expectTypeOf<Of<typeof editAndWatch>>().toEqualTypeOf<Stream.Stream<VideoResource, EditAndWatchError, Videos>>()
    expectTypeOf<Of<typeof remixAndWatch>>().toEqualTypeOf<Stream.Stream<VideoResource, RemixAndWatchError, Videos>>()
  })

  it("leave out what an operation cannot fail with", () => {
    type Tags<E extends { readonly _tag: string }> = E["_tag"]
    type ResponseError =
      | "AuthenticationError"
      | "RateLimitedError"
      | "QuotaExceededError"
      | "BadRequestError"
      | "ConflictError"
      | "ServerError"
      | "OperationUnsupportedError"
    type Any = ResponseError | "InvalidRequestError" | "TransportError" | "RedirectError"
    type Submit = Any | "RequestTimeoutError" | "ModerationBlockedError" | "SubmissionUncertainError"
    type Read = Any | "RequestTimeoutError" | "ResponseDecodeError" | "VideoNotFoundError"
    expectTypeOf<Tags<CreateVideoError>>().toEqualTypeOf<Submit | "UploadError">()
    expectTypeOf<Tags<ExtendVideoError>>().toEqualTypeOf<
      Submit | Read | "UploadError" | "VideoNotReadyError" | "VideoFailedError" | "VideoExpiredError"
    >()
    expectTypeOf<Tags<RetrieveVideoError>>().toEqualTypeOf<Read>()
    expectTypeOf<Tags<WatchVideoError>>().toEqualTypeOf<Read | "WatchTimeoutError">()
    expectTypeOf<Tags<DownloadVideoError>>().toEqualTypeOf<
      Read | "VideoNotReadyError" | "VideoFailedError" | "VideoExpiredError" | "VideoContentNotFoundError"
    >()
  })

  it("know the protocol's statuses, and accept any other", () => {
    expectTypeOf<"queued">().toExtend<VideoResource["status"]>()
    expectTypeOf<string>().toExtend<VideoResource["status"]>()
    expectTypeOf<VideoResource["status"]>().not.toBeAny()
  })
})
