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
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as wire from "./internal/wire.js"

/**
 * Any JSON value.
 *
 * @since 0.1.0
 * @category models
 */
export type Json = wire.Json

const accepts = (message: string) => ({ message: () => ({ message, override: true }) })

// -----------------------------------------------------------------------------
// ids
// -----------------------------------------------------------------------------

/**
 * The longest id that is accepted, in UTF-16 units. LiteLLM's ids carry routing data in base64 and run to a few
 * hundred; a longer one than this cannot be sent in a URL that servers take.
 */
const maxIdLength = 2048

// Control characters, C1 included, and unpaired surrogates, which no URL can carry.
const unsafeInPath = /\p{Cc}|\p{Cs}/u

const isSafeSegment = (id: string): boolean =>
  id.length > 0 && id.length <= maxIdLength && id !== "." && id !== ".." && !unsafeInPath.test(id)

const acceptedId = "an id of 1 to 2048 characters that is not `.` or `..` and has no control characters"

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

// The words of the servers that people run, as read in their sources in November 2026: OpenAI, vLLM-Omni, SGLang
// (`deleted`), LiteLLM (`processing`), new-api (`unknown`, NOT_START and its own reader's list), TeleFuser
// (`generating`, `cancelled`), OpenRouter (`pending`, `expired`), xAI (`done`), fal behind LiteLLM (`in_queue`).
const phases: { readonly [phase in VideoPhase]: string } = {
  waiting: "queued pending submitted not_start preparing created starting unknown in_queue",
  running: "in_progress processing running generating",
  succeeded: "completed complete succeeded success finished done",
  failed: "failed failure fail error cancelled canceled expired deleted"
}

const phaseByWord: ReadonlyMap<string, VideoPhase> = new Map(
  (["waiting", "running", "succeeded", "failed"] as const).flatMap((phase) =>
    phases[phase].split(" ").map((word) => [word, phase] as const)
  )
)

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
export const phaseOf = (video: VideoResource | string): VideoPhase => {
  const status = typeof video === "string" ? video : video.status
  return (
    phaseByWord.get(status) ??
    phaseByWord.get(
      status
        .trim()
        .toLowerCase()
        .replace(/[\s-]+/g, "_")
    ) ??
    "running"
  )
}

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
 * Why a job failed, in the server's words.
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

// The protocol's own names. The rest of a body is `extra`.
const known: ReadonlySet<string> = new Set(
  "id object model status progress created_at completed_at expires_at prompt size seconds remixed_from_video_id error".split(
    " "
  )
)

// Declared and no `Schema.Record`: that one copies key by key, so that a `__proto__` key would change the copy's prototype.
const JsonObject = Schema.declare(wire.isObject, { identifier: "JsonObject", jsonSchema: { type: "object" } })

const Extra = JsonObject.annotations({
  arbitrary: () => (fc) =>
    fc
      .dictionary(
        fc.string().filter((key) => !known.has(key) && key !== "created" && key !== "__proto__"),
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

const time = (value: unknown): DateTime.Utc | null => {
  const millis = wire.unixMillis(value)
  return millis === null ? null : DateTime.unsafeMake(millis)
}

// The one place where an answer's accent is undone. An unreadable value stays in `extra` under its wire name.
const fromWire = (body: VideoResourceEncoded): VideoResource => {
  const extra: Array<readonly [string, unknown]> = []
  for (const key of Object.keys(body)) if (!known.has(key)) extra.push([key, body[key]])
  const read = <A>(key: string, reader: (value: unknown) => A | null): A | null => {
    const raw = body[key]
    const value = reader(raw)
    if (value === null && raw !== null && raw !== undefined && raw !== "" && raw !== 0) extra.push([key, raw])
    return value
  }
  const { status } = body
  return {
    id: body.id as VideoId,
    object: read("object", wire.text) ?? "video",
    model: read("model", wire.text),
    status: typeof status === "number" ? String(status) : (read("status", wire.text) ?? "unknown"),
    progress: read("progress", wire.percent),
    // Dynamo says `created`.
    createdAt: read("created_at", (value) => time(value) ?? time(body.created)),
    completedAt: read("completed_at", time),
    expiresAt: read("expires_at", time),
    prompt: read("prompt", wire.text),
    size: read("size", wire.text),
    seconds: read("seconds", wire.seconds),
    remixedFromVideoId: read("remixed_from_video_id", wire.text),
    error: read("error", wire.fault),
    // `fromEntries` defines properties, so that a `__proto__` key is data and changes no prototype.
    extra: Object.fromEntries(extra)
  }
}

const unixSeconds = (value: DateTime.Utc | null): number | null => (value === null ? null : value.epochMillis / 1000)

const toWire = (video: VideoResource): VideoResourceEncoded => {
  // A field that could not be read is in `extra` under its wire name: it goes back as it came.
  const field = (name: string, value: unknown, unread: unknown = null) =>
    value === unread && Object.hasOwn(video.extra, name) ? video.extra[name] : value
  return {
    ...video.extra,
    id: video.id,
    object: field("object", video.object, "video"),
    model: field("model", video.model),
    status: field("status", video.status, "unknown"),
    progress: field("progress", video.progress),
    created_at: field("created_at", unixSeconds(video.createdAt)),
    completed_at: field("completed_at", unixSeconds(video.completedAt)),
    expires_at: field("expires_at", unixSeconds(video.expiresAt)),
    prompt: field("prompt", video.prompt),
    size: field("size", video.size),
    seconds: field("seconds", video.seconds === null ? null : String(video.seconds)),
    remixed_from_video_id: field("remixed_from_video_id", video.remixedFromVideoId),
    error: field("error", video.error)
  }
}

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
    decode: (body) => fromWire(body),
    encode: (video) => toWire(video)
  }).annotations({ identifier: "VideoResource", title: "VideoResource" })
)

/**
 * Whether two snapshots say the same, field by field, `extra` included. What a watch calls "no change".
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSameSnapshot = (a: VideoResource, b: VideoResource): boolean =>
  a.status === b.status &&
  a.progress === b.progress &&
  a.id === b.id &&
  a.object === b.object &&
  a.model === b.model &&
  sameTime(a.createdAt, b.createdAt) &&
  sameTime(a.completedAt, b.completedAt) &&
  sameTime(a.expiresAt, b.expiresAt) &&
  a.prompt === b.prompt &&
  a.size === b.size &&
  a.seconds === b.seconds &&
  a.remixedFromVideoId === b.remixedFromVideoId &&
  wire.sameJson(a.error, b.error) &&
  wire.sameJson(a.extra, b.extra)

const sameTime = (a: DateTime.Utc | null, b: DateTime.Utc | null): boolean =>
  a === b || (a !== null && b !== null && a.epochMillis === b.epochMillis)

// -----------------------------------------------------------------------------
// requests
// -----------------------------------------------------------------------------

/** The protocol's limit, in Unicode characters: `maxLength` of JSON Schema counts code points, not UTF-16 units. */
const maxPromptLength = 32_000

const isPrompt = (prompt: string): boolean =>
  prompt.length > 0 &&
  (prompt.length <= maxPromptLength || (prompt.length <= 2 * maxPromptLength && [...prompt].length <= maxPromptLength))

/**
 * What to make: 1 to 32,000 characters.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Prompt = Schema.String.pipe(
  Schema.filter(isPrompt, {
    ...accepts("a text of 1 to 32,000 characters"),
    identifier: "Prompt",
    arbitrary: () => (fc) => fc.string({ minLength: 1, maxLength: 200 })
  })
)

/**
 * Length of the clip to make, in seconds: for an extension, of the new segment alone. The published
 * specification's enum stops at 12 although its text says 4 to 20; the text is right.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoSeconds = 4 | 8 | 12 | 16 | 20

/**
 * `VideoSeconds` on the wire is a string, such as `"8"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoSeconds: Schema.Schema<VideoSeconds, "4" | "8" | "12" | "16" | "20"> = Schema.transformLiterals(
  ["4", 4],
  ["8", 8],
  ["12", 12],
  ["16", 16],
  ["20", 20]
).annotations({ ...accepts("4, 8, 12, 16 or 20 (a number of seconds)"), identifier: "VideoSeconds" })

/**
 * Width x height. The four of the protocol, and whatever another server takes.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoSize = "720x1280" | "1280x720" | "1024x1792" | "1792x1024" | (string & {})

/**
 * The files of a job: the clip, a picture of it, and a sheet of small ones.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoVariant = "video" | "thumbnail" | "spritesheet"

const Named = Schema.NonEmptyString.annotations(accepts("a text that is not empty"))

/**
 * A job whose clip is the source of another.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoReference = Schema.Struct({ id: VideoId }).annotations({
  identifier: "VideoReference",
  message: () => "a job's id, a reference `{ id }` or a VideoFile"
})

/**
 * A picture that guides generation: exactly one of a URL (`https:` or `data:`) or the id of an uploaded file.
 *
 * @since 0.1.0
 * @category models
 */
export type ImageReference =
  | { readonly imageUrl: string; readonly fileId?: never }
  | { readonly fileId: string; readonly imageUrl?: never }

const ImageReference = Schema.Union(
  Schema.Struct({ imageUrl: Schema.propertySignature(Named).pipe(Schema.fromKey("image_url")) }),
  Schema.Struct({ fileId: Schema.propertySignature(Named).pipe(Schema.fromKey("file_id")) })
).annotations({ ...accepts("exactly one of `imageUrl` and `fileId`"), parseOptions: { onExcessProperty: "error" } })

/**
 * The body of `POST /videos`, without a file.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CreateVideoBody = Schema.Struct({
  prompt: Prompt,
  model: Schema.optionalWith(Named, { exact: true }),
  seconds: Schema.optionalWith(VideoSeconds, { exact: true }),
  size: Schema.optionalWith(Named, { exact: true }),
  inputReference: Schema.optionalWith(ImageReference, { exact: true }).pipe(Schema.fromKey("input_reference"))
}).annotations({ identifier: "CreateVideoBody" })

/**
 * The body of `POST /videos/extensions` with a reference.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendVideoBody = Schema.Struct({
  video: VideoReference,
  prompt: Prompt,
  seconds: VideoSeconds
}).annotations({ identifier: "ExtendVideoBody" })

/**
 * The fields of `POST /videos/extensions` that travel beside an uploaded file.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendVideoForm = ExtendVideoBody.omit("video").annotations({ identifier: "ExtendVideoForm" })
export const decodeVideoUnknown = ParseResult.decodeUnknownEither(VideoResource)
