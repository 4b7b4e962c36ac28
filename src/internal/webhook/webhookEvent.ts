/** A push event and its JSON. Tolerant like the resources: only what a program must be able to rely on is demanded. */
import type { LazyArbitrary } from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as wire from "../protocol/jsonReaders.js"
import { VideoId } from "../protocol/videoSchemas.js"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/** What every event says. */
interface EventFields {
  /** The event's own id, such as `evt_…`. A message has another, in `webhook-id`. */
  readonly id: string
  /** `"event"`, unless the server says something else. */
  readonly object: string
  readonly createdAt: DateTime.Utc | null
  /** Everything else that the server said, under its own names. */
  readonly extra: { readonly [key: string]: unknown }
}

/**
 * A job has ended well. Only its id is sure: read the job, which is the truth about it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCompletedEvent extends EventFields {
  readonly _tag: "VideoCompleted"
  readonly type: "video.completed"
  /** `data.id`. */
  readonly videoId: VideoId
  /** As it came. */
  readonly data: { readonly [key: string]: unknown }
}

/**
 * A job has ended as failed. Only its id is sure: the job itself says why.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFailedEvent extends EventFields {
  readonly _tag: "VideoFailed"
  readonly type: "video.failed"
  /** `data.id`. */
  readonly videoId: VideoId
  /** As it came. */
  readonly data: { readonly [key: string]: unknown }
}

/**
 * An event of a type that this library does not know: a later one of the protocol's, or of another family, since one
 * endpoint may serve many.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnknownEvent extends EventFields {
  readonly _tag: "UnknownEvent"
  /** As the server sent it. */
  readonly type: string
  /** `data.id` of an event whose type begins with `video.`, where that is an id. */
  readonly videoId: VideoId | null
  /** As it came; `null` where there was none. */
  readonly data: unknown
}

/**
 * What a server pushes. `_tag`, which is not on the wire, distinguishes the known types and the rest;
 * `type` cannot do so for a compiler, because the set of types is the server's.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoEvent = VideoCompletedEvent | VideoFailedEvent | UnknownEvent

/**
 * A `VideoEvent` as it is written in JSON: the protocol's names, and whatever else a server adds.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoEventEncoded = { readonly [key: string]: unknown }

// -----------------------------------------------------------------------------
// parts
// -----------------------------------------------------------------------------

const known: ReadonlySet<string> = new Set(["id", "object", "created_at", "type", "data"])

const tagOf = (type: string): VideoEvent["_tag"] =>
  type === "video.completed" ? "VideoCompleted" : type === "video.failed" ? "VideoFailed" : "UnknownEvent"

const isVideoId = Schema.is(VideoId)

/** The job that an event is about. `data.id` is a response's or a batch's id in events of other families. */
const videoIdOf = (type: string, data: unknown): VideoId | null => {
  const id = type.startsWith("video.") && wire.isObject(data) ? wire.jobId(data) : null
  return isVideoId(id) ? id : null
}

// -----------------------------------------------------------------------------
// from self
// -----------------------------------------------------------------------------

const anyObject: LazyArbitrary<wire.JsonObject> = (fc) =>
  fc
    .dictionary(
      fc.string().filter((key) => !known.has(key) && key !== "__proto__"),
      fc.jsonValue()
    )
    .map(throughText)

/** As it would arrive: no `-0`. */
const throughText = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

const JsonObject = Schema.declare(wire.isObject, {
  identifier: "JsonObject",
  jsonSchema: { type: "object" },
  arbitrary: () => anyObject
})

const fields = {
  id: Schema.NonEmptyString,
  object: Schema.NonEmptyString,
  createdAt: Schema.NullOr(
    Schema.DateTimeUtcFromSelf.pipe(
      Schema.filter((time) => time.epochMillis > 0 && time.epochMillis <= wire.maxUnixMillis)
    )
  ),
  extra: JsonObject
}

const EndedEvent = <Tag extends string, Type extends string>(tag: Tag, type: Type) =>
  Schema.Struct({
    ...fields,
    _tag: Schema.Literal(tag),
    type: Schema.Literal(type),
    videoId: Schema.typeSchema(VideoId),
    data: JsonObject
  })

const AnyEvent: Schema.Schema<VideoEvent> = Schema.Union(
  EndedEvent("VideoCompleted", "video.completed"),
  EndedEvent("VideoFailed", "video.failed"),
  Schema.Struct({
    ...fields,
    _tag: Schema.Literal("UnknownEvent"),
    type: Schema.NonEmptyString,
    videoId: Schema.NullOr(Schema.typeSchema(VideoId)),
    data: Schema.Unknown
  })
)

const VideoEventFromSelf: Schema.Schema<VideoEvent> = AnyEvent.pipe(
  // An event says some things twice, and only `type` and `data` are written: the two have to agree.
  Schema.filter((event) => event._tag === tagOf(event.type) && event.videoId === videoIdOf(event.type, event.data), {
    arbitrary: () => (fc) => {
      const words = fc.string({ minLength: 1 })
      const named = fc.tuple(anyObject(fc), words.filter(isVideoId)).map(([rest, id]) => ({ ...rest, id }))
      const instant = fc.integer({ min: 1, max: wire.maxUnixMillis }).map((millis) => DateTime.unsafeMake(millis))
      return fc
        .record({
          id: words,
          object: fc.oneof(fc.constant("event"), words),
          createdAt: fc.option(instant),
          typed: fc.oneof(
            fc.tuple(fc.constantFrom("video.completed", "video.failed", "video.expired", "batch.completed"), named),
            fc.tuple(words, fc.jsonValue().map(throughText))
          ),
          extra: anyObject(fc)
        })
        .map(({ typed: [type, data], ...rest }) => madeOf({ ...rest, type, data }))
    }
  })
)

/** With what follows from the rest. The one cast: what is put together here, `VideoEventFromSelf` checks. */
const madeOf = (parts: {
  readonly id: unknown
  readonly object: string
  readonly type: string
  readonly createdAt: DateTime.Utc | null
  readonly data: unknown
  readonly extra: { readonly [key: string]: unknown }
}): VideoEvent => ({ _tag: tagOf(parts.type), ...parts, videoId: videoIdOf(parts.type, parts.data) }) as VideoEvent

// -----------------------------------------------------------------------------
// the wire
// -----------------------------------------------------------------------------

/** What is missing for an event, or `null`. */
const problemOf = (body: VideoEventEncoded): string | null => {
  if (wire.id(body.id) === null) return "`id` must be a text that is not empty"
  const type = wire.text(body.type)
  if (type === null) return "`type` must be a text that is not empty"
  return tagOf(type) !== "UnknownEvent" && videoIdOf(type, body.data) === null ? "`data.id` must be a video's id" : null
}

const fromWire = (body: VideoEventEncoded): VideoEvent => {
  const extra: Array<readonly [string, unknown]> = Object.entries(body).filter(([key]) => !known.has(key))
  const read = <A>(key: string, reader: (value: unknown) => A | null): A | null => {
    const raw = body[key]
    const value = reader(raw)
    if (value === null && raw !== null && raw !== undefined && raw !== "" && raw !== 0) extra.push([key, raw])
    return value
  }
  const millis = read("created_at", wire.unixMillis)
  const object = read("object", wire.text) ?? "event"
  return madeOf({
    id: wire.id(body.id),
    object,
    type: String(body.type),
    createdAt: millis === null ? null : DateTime.unsafeMake(millis),
    data: body.data ?? null,
    extra: Object.fromEntries(extra)
  })
}

const toWire = (event: VideoEvent): VideoEventEncoded => {
  const { createdAt, data, extra, id, object, type } = event
  const field = (name: string, value: unknown, unread: unknown) =>
    value === unread && Object.hasOwn(extra, name) ? extra[name] : value
  return {
    ...extra,
    id,
    object: field("object", object, "event"),
    created_at: field("created_at", createdAt === null ? null : createdAt.epochMillis / 1000, null),
    type,
    data
  }
}

/**
 * The codec between the wire's JSON and `VideoEvent`. Decoding fails only where there is no object, no `id`, no `type`,
 * or no video's id in the `data` of a known type.
 *
 * @example
 * import * as Schema from "effect/Schema"
 * import { VideoEvent } from "effect-videos"
 *
 * const event = Schema.decodeUnknownSync(VideoEvent)({ id: "evt_1", type: "video.failed", data: { id: "video_1" } })
 * if (event._tag === "VideoFailed") console.log(event.videoId) // video_1
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoEvent = Schema.standardSchemaV1(
  Schema.transformOrFail(JsonObject.annotations({ message: () => "must be a JSON object" }), VideoEventFromSelf, {
    strict: true,
    decode: (body, _, ast) => {
      const problem = problemOf(body)
      return problem === null
        ? ParseResult.succeed(fromWire(body))
        : ParseResult.fail(new ParseResult.Type(ast, body, problem))
    },
    encode: (event) => ParseResult.succeed(toWire(event))
  }).annotations({ identifier: "VideoEvent", title: "VideoEvent" })
)
