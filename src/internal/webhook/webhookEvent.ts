/** A webhook's event and its JSON. Decoding is tolerant: it requires only the fields that a program needs. */
import * as DateTime from "effect/DateTime"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { JsonObject, objectsWithout, Time, throughText } from "../protocol/fieldSchemas.js"
import * as wire from "../protocol/jsonReaders.js"
import { FieldReader, time } from "../protocol/videoDecoder.js"
import { isId, type VideoId } from "../protocol/videoId.js"

interface EventFields {
  /** The event's own id, such as `evt_…`. A message has another, in `webhook-id`. */
  readonly id: string
  /** `"event"`, unless the server sends something else. */
  readonly object: string
  readonly createdAt: DateTime.Utc | null
  /** All other fields, under their own names. */
  readonly extra: { readonly [key: string]: unknown }
}

interface EndedFields extends EventFields {
  /** `data.id`. */
  readonly videoId: VideoId
  /** As it came. */
  readonly data: { readonly [key: string]: unknown }
}

/**
 * A job has completed. Only its id is certain: read the job for its state.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCompletedEvent extends EndedFields {
  readonly _tag: "VideoCompleted"
  readonly type: "video.completed"
}

/**
 * A job has failed. Only its id is certain: read the job for the reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFailedEvent extends EndedFields {
  readonly _tag: "VideoFailed"
  readonly type: "video.failed"
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
  /** `data.id`, if the type begins with `video.` and `data.id` is an id. */
  readonly videoId: VideoId | null
  /** As it came; `null` if there was none. */
  readonly data: unknown
}

/**
 * The event of a webhook. `_tag`, which is not on the wire, distinguishes the known types: `type` is an open set.
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

const known: ReadonlySet<string> = new Set(["id", "object", "created_at", "type", "data"])

const tagOf = (type: string): VideoEvent["_tag"] =>
  type === "video.completed" ? "VideoCompleted" : type === "video.failed" ? "VideoFailed" : "UnknownEvent"

/** The job that an event is about. `data.id` is a response's or a batch's id in events of other families. */
const videoIdOf = (type: string, data: unknown): VideoId | null => {
  const id = type.startsWith("video.") && wire.isObject(data) ? wire.jobId(data) : null
  return isId(id) ? (id as VideoId) : null
}

const lacksVideoId = (type: string, data: unknown): boolean =>
  tagOf(type) !== "UnknownEvent" && videoIdOf(type, data) === null

const anyObject = objectsWithout(known)

/** The parts of an event that are on the wire; the others follow from them. */
const Parts = Schema.Struct({
  id: Schema.NonEmptyString,
  object: Schema.NonEmptyString,
  type: Schema.NonEmptyString,
  createdAt: Time,
  data: Schema.Unknown,
  extra: JsonObject
})

const hasParts = Schema.is(Parts)

/** The one cast: `VideoEventFromSelf` and `problemOf` check what it says. */
const eventOf = (parts: typeof Parts.Type): VideoEvent =>
  ({ _tag: tagOf(parts.type), ...parts, videoId: videoIdOf(parts.type, parts.data) }) as VideoEvent

const VideoEventFromSelf = Schema.declare(
  (value): value is VideoEvent => {
    if (!hasParts(value) || lacksVideoId(value.type, value.data)) return false
    const { _tag, videoId } = eventOf(value)
    return Reflect.get(value, "_tag") === _tag && Reflect.get(value, "videoId") === videoId
  },
  {
    identifier: "VideoEvent",
    arbitrary: () => (fc) => {
      const words = fc.string({ minLength: 1 })
      const named = fc.tuple(anyObject(fc), words.filter(isId)).map(([rest, id]) => ({ ...rest, id }))
      const instant = fc.integer({ min: 1, max: wire.maxUnixMillis }).map((millis) => DateTime.unsafeMake(millis))
      const typed = fc.oneof(
        fc.tuple(fc.constantFrom("video.completed", "video.failed", "video.expired", "batch.completed"), named),
        fc.tuple(words, fc.jsonValue().map(throughText))
      )
      const object = fc.oneof(fc.constant("event"), words)
      return fc
        .record({ id: words, object, createdAt: fc.option(instant), typed, extra: anyObject(fc) })
        .map(({ typed: [type, data], ...rest }) => eventOf({ ...rest, type, data }))
    }
  }
)

const problemOf = ({ data, id, type }: VideoEventEncoded): string | null => {
  if (wire.id(id) === null) return "`id` must be a text that is not empty"
  if (wire.text(type) === null) return "`type` must be a text that is not empty"
  return lacksVideoId(String(type), data) ? "`data.id` must be a video's id" : null
}

const fromWire = (body: VideoEventEncoded): VideoEvent => {
  const fields = new FieldReader(body, known)
  return eventOf({
    id: String(body.id),
    object: fields.read("object", wire.text) ?? "event",
    type: String(body.type),
    createdAt: fields.read("created_at", time),
    data: body.data ?? null,
    extra: fields.extra()
  })
}

const toWire = ({ createdAt, data, extra, id, object, type }: VideoEvent): VideoEventEncoded => {
  const unread = { object: "event", created_at: null, ...extra }
  return {
    ...extra,
    id,
    object: object === "event" ? unread.object : object,
    created_at: createdAt === null ? unread.created_at : createdAt.epochMillis / 1000,
    type,
    data
  }
}

/**
 * The codec between the wire's JSON and `VideoEvent`. Decoding fails only without an object, its `id` or `type`,
 * or a video's id in the `data` of a known type.
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
