/**
 * The Videos protocol as values: what a program holds (`VideoResource`, ids, requests) and how it is written on
 * the wire. Answers are decoded tolerantly, because every server has an accent; requests are encoded strictly,
 * because a mistake there costs money.
 *
 * @example
 * import * as Schema from "effect/Schema"
 * import { VideoResource } from "effect-videos/Schema"
 *
 * const video = Schema.decodeUnknownSync(VideoResource)({ id: "video_1", status: "queued" })
 * console.log(video.id, video.status, video.progress) // video_1 queued null
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { accepts } from "./internal/protocol/acceptsAnnotation.js"
import * as wire from "./internal/protocol/jsonReaders.js"
import { phaseOfStatus } from "./internal/protocol/phase.js"
import * as resource from "./internal/protocol/videoDecoder.js"
import { isSafeSegment } from "./internal/protocol/videoId.js"

/**
 * Any JSON value.
 *
 * @since 0.1.0
 * @category models
 */
export type Json = wire.Json

// -----------------------------------------------------------------------------
// ids
// -----------------------------------------------------------------------------

const acceptedId = "an id of 1 to 2048 characters with no `.` or `..` between slashes and no control characters"

/**
 * A job's id. No prefix is assumed: OpenAI writes `video_…`, vLLM-Omni `video_gen_…`, SGLang a bare UUID, LiteLLM
 * `video_` and standard base64, so `/`, `+` and `=` are legal. It is percent-encoded as one path segment
 * wherever it is sent.
 *
 * @since 0.1.0
 * @category ids
 */
export const VideoId = Schema.String.pipe(
  Schema.filter(isSafeSegment, {
    ...accepts(acceptedId),
    identifier: "VideoId",
    description: acceptedId,
    arbitrary: () => (fc) =>
      fc
        .oneof(
          fc.uuid(),
          fc.base64String({ minLength: 4 }).map((id) => `video_${id}`),
          fc.string({ minLength: 1 })
        )
        .filter(isSafeSegment)
  }),
  Schema.brand("VideoId")
)

/**
 * @since 0.1.0
 * @category ids
 */
export type VideoId = typeof VideoId.Type

// -----------------------------------------------------------------------------
// status
// -----------------------------------------------------------------------------

/**
 * The word that the server used for a job's state. The four of the protocol, and whatever a server adds: the set
 * is the server's, so it is open. `phaseOf` says what a word means.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoStatus = "queued" | "in_progress" | "completed" | "failed" | (string & {})

/**
 * What a status means for somebody who waits: `waiting` (not started), `running`, `succeeded` (the content can be
 * had), `failed` (it never will be). The last two are final.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoPhase = "waiting" | "running" | "succeeded" | "failed"

/**
 * The phase of a job or of a bare status word, in any case and with `-` or spaces for `_`. A word that nobody
 * knows is `running`: visible, never final, never a crash; a watch's `stallTimeout` or `timeout` is what ends
 * it.
 *
 * @example
 * import { phaseOf } from "effect-videos/Schema"
 *
 * console.log(phaseOf("NOT_START"), phaseOf("done"), phaseOf("upscaling")) // waiting succeeded running
 *
 * @since 0.1.0
 * @category predicates
 */
export const phaseOf = (video: VideoResource | string): VideoPhase =>
  phaseOfStatus(typeof video === "string" ? video : video.status)

/**
 * Whether the job has ended, well or badly. A watch ends with the first snapshot for which this holds.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTerminal = (video: VideoResource): boolean => {
  const phase = phaseOf(video)
  return phase === "succeeded" || phase === "failed"
}

// -----------------------------------------------------------------------------
// resources
// -----------------------------------------------------------------------------

/**
 * Why a job failed, in the server's words: its `error`, or, for a failed job without one, what servers send in its place, such
 * as `fail_reason`, `failure_reason`, `error_message` or `metadata.error`.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFault {
  /** The server's own code, for example `moderation_blocked`; an open set. vLLM-Omni writes an HTTP status here. */
  readonly code: string | null
  /** For people. Servers may leave it empty. */
  readonly message: string
}

/**
 * One snapshot of a job: the protocol's `VideoResource`, with times as `DateTime` and lengths as numbers.
 *
 * What a server leaves out, or writes in a way that cannot be read, is `null`; nothing but `id` and `status` is
 * sure. Only `phaseOf(video)` tells whether a job has ended: servers set `completedAt` while a job runs (new-api)
 * and `progress` to 100 when it fails.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoResource {
  readonly id: VideoId
  /** `"video"`, unless the server says something else. */
  readonly object: string
  readonly model: string | null
  /** The server's word; see `phaseOf`. `"unknown"` where the server said none. */
  readonly status: VideoStatus
  /** Percent, 0 to 100. For display: it may stand still, jump, or go backwards. */
  readonly progress: number | null
  readonly createdAt: DateTime.Utc | null
  readonly completedAt: DateTime.Utc | null
  /** When the downloadable files go away, where the server says so. */
  readonly expiresAt: DateTime.Utc | null
  readonly prompt: string | null
  /** Width x height, such as `1280x720`; SGLang may say `720p`. */
  readonly size: string | null
  /** Length of the clip in seconds; for an extension, of the stitched whole. */
  readonly seconds: number | null
  readonly remixedFromVideoId: string | null
  readonly error: VideoFault | null
  /**
   * Everything else the server said, under its own names: `url`, `usage`, `inference_time_s` and the like, and any
   * field of the protocol whose value could not be read.
   */
  readonly extra: { readonly [key: string]: unknown }
}

/**
 * A `VideoResource` as it is written in JSON: the protocol's names, and whatever else a server adds.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoResourceEncoded = { readonly [key: string]: unknown }

const Time = Schema.NullOr(
  Schema.DateTimeUtcFromSelf.pipe(
    Schema.filter((time) => time.epochMillis > 0 && time.epochMillis <= wire.maxUnixMillis, {
      arbitrary: () => (fc) =>
        fc.integer({ min: 1, max: wire.maxUnixMillis }).map((millis) => DateTime.unsafeMake(millis))
    })
  )
)

const quantity = (max: number) =>
  Schema.NullOr(
    Schema.Number.pipe(
      Schema.filter((value) => value >= 0 && value <= max, {
        arbitrary: () => (fc) => fc.double({ min: 0, max, noNaN: true })
      })
    )
  )

const Text = Schema.NullOr(Schema.NonEmptyString)

// Declared and no `Schema.Record`: that one copies key by key, so that a `__proto__` key would change the copy's prototype.
const JsonObject = Schema.declare(wire.isObject, { identifier: "JsonObject", jsonSchema: { type: "object" } })

const Extra = JsonObject.annotations({
  arbitrary: () => (fc) =>
    fc
      .dictionary(
        fc
          .string()
          .filter((key) => !resource.known.has(key) && key !== "created" && key !== "name" && key !== "__proto__"),
        fc.jsonValue()
      )
      .map((extra) => JSON.parse(JSON.stringify(extra)) as { readonly [key: string]: unknown })
})

const VideoResourceFromSelf: Schema.Schema<VideoResource> = Schema.Struct({
  id: Schema.typeSchema(VideoId),
  object: Schema.NonEmptyString,
  model: Text,
  status: Schema.NonEmptyString,
  progress: quantity(100),
  createdAt: Time,
  completedAt: Time,
  expiresAt: Time,
  prompt: Text,
  size: Text,
  seconds: quantity(Number.MAX_SAFE_INTEGER),
  remixedFromVideoId: Text,
  error: Schema.NullOr(Schema.Struct({ code: Text, message: Schema.String })),
  extra: Extra
})

/**
 * The codec between the wire's JSON and `VideoResource`. Its encoded form is the protocol's own JSON, so that a
 * snapshot can be stored, sent, and given back to `watchVideo` later.
 *
 * Decoding fails only where there is no object or no usable `id`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoResource = Schema.standardSchemaV1(
  Schema.transform(JsonObject, VideoResourceFromSelf, {
    strict: true,
    decode: (body) => resource.fromWire(body),
    encode: (video) => resource.toWire(video)
  }).annotations({ identifier: "VideoResource", title: "VideoResource" })
)

/**
 * Whether two snapshots say the same, field by field, `extra` included. What a watch calls "no change".
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSameSnapshot = (a: VideoResource, b: VideoResource): boolean => resource.isSame(a, b)

/**
 * A character: somebody or something taken out of a clip, to be named in later prompts. What the server leaves out is
 * `null`.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCharacter {
  readonly id: string | null
  readonly name: string | null
  readonly createdAt: DateTime.Utc | null
  /** Everything else the server said, under its own names. */
  readonly extra: { readonly [key: string]: unknown }
}

/**
 * The codec between the wire's JSON and `VideoCharacter`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoCharacter = Schema.standardSchemaV1(
  Schema.transform(
    JsonObject,
    Schema.Struct({ id: Text, name: Text, createdAt: Time, extra: Extra }) satisfies Schema.Schema<VideoCharacter>,
    {
      strict: true,
      decode: (body) => resource.characterFromWire(body),
      encode: (character) => resource.characterToWire(character)
    }
  ).annotations({ identifier: "VideoCharacter", title: "VideoCharacter" })
)

/**
 * One page of a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoPage {
  readonly videos: ReadonlyArray<VideoResource>
  /** What the server says; `null` where it says nothing (SGLang). It may be wrong (TeleFuser). */
  readonly hasMore: boolean | null
}

/**
 * What a deletion came to.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeletedVideo {
  readonly id: VideoId
  /** Whether the job is gone. */
  readonly deleted: boolean
  /** The job as it was last, from a server that answers with it (SGLang, TeleFuser). */
  readonly video: VideoResource | null
}
