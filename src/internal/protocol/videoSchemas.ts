import * as Schema from "effect/Schema"
import { JsonObject, objectsWithout, Time } from "./fieldSchemas.js"
import { phaseOfStatus, type VideoPhase } from "./phase.js"
import * as resource from "./videoDecoder.js"
import { VideoId } from "./videoId.js"
import type * as Types from "./videoTypes.js"

export type { VideoPhase } from "./phase.js"
export { isSameSnapshot } from "./videoDecoder.js"
export { VideoId } from "./videoId.js"
export type * from "./videoTypes.js"

/**
 * A job as the server last described it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoResource extends Types.VideoResource {}

/**
 * A character that prompts can name.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoCharacter extends Types.VideoCharacter {}

/**
 * The phase of a job or of a bare status word, in any case and with `-` or spaces for `_`. An unknown word is `running`, which a
 * watch's `stallTimeout` or `totalTimeout` ends.
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

const quantity = (max: number) => Schema.NullOr(Schema.Finite.pipe(Schema.between(0, max)))

const Text = Schema.NullOr(Schema.NonEmptyString)

const Extra = JsonObject.annotations({
  arbitrary: () => objectsWithout(new Set([...resource.known, "created", "name"]))
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
  error: Schema.NullOr(
    Schema.Struct({
      code: Text,
      message: Schema.String,
      billed: Schema.optionalWith(Schema.Boolean, { exact: true })
    })
  ),
  cost: Schema.optionalWith(
    Schema.Struct({ amount: Schema.Finite.pipe(Schema.nonNegative()), currency: Schema.NonEmptyString }),
    { exact: true }
  ),
  extra: Extra
})

/**
 * The codec between the wire's JSON and `VideoResource`: a snapshot can be stored, sent, and given back to `watchVideo` later.
 * Decoding fails only if the body is not an object or has no usable `id`.
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
