/** Snapshots made up by a test. */
import * as Schema from "effect/Schema"
import * as wire from "../internal/protocol/jsonReaders.js"
import { phaseOf, VideoCharacter, VideoResource } from "../internal/protocol/videoSchemas.js"

/**
 * The fields of a snapshot that matter to a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface VideoFields extends Partial<Omit<VideoResource, "id">> {
  readonly id?: string
}

const checkVideo = Schema.validateSync(VideoResource)
const checkCharacter = Schema.validateSync(VideoCharacter)

/**
 * A snapshot: the given fields, and for the rest those of a job of four seconds named `video_1` that has just been queued.
 * What follows from the status is filled in: a job that succeeded is at 100 %, one that failed has an `error`. Times are
 * `null`. Throws a `ParseError` if no response decodes to such a snapshot.
 *
 * @example
 * import { makeVideo } from "effect-videos/testing"
 *
 * const video = makeVideo({ id: "video_7", status: "in_progress", progress: 40 })
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeVideo = (fields: VideoFields = {}): VideoResource => {
  const phase = phaseOf(fields.status ?? "queued")
  return checkVideo({
    id: "video_1",
    object: "video",
    model: "sora-2",
    status: "queued",
    progress: phase === "succeeded" ? 100 : 0,
    createdAt: null,
    completedAt: null,
    expiresAt: null,
    prompt: "a lighthouse at dusk",
    size: "720x1280",
    seconds: 4,
    remixedFromVideoId: null,
    error: phase === "failed" ? { code: "generation_failed", message: "The video could not be made." } : null,
    extra: {},
    ...fields
  })
}

/**
 * A character: the given fields, and for the rest those of one named `char_1`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeCharacter = (fields: Partial<VideoCharacter> = {}): VideoCharacter =>
  checkCharacter({ id: "char_1", name: "Tom", createdAt: null, extra: {}, ...fields })

/** The fields of a submission's body that are fields of its job too. */
export const fieldsOf = (body: wire.JsonObject): VideoFields => {
  const model = wire.text(body.model)
  const prompt = wire.text(body.prompt)
  const seconds = wire.seconds(body.seconds)
  const size = wire.text(body.size)
  return {
    ...(model === null ? {} : { model }),
    ...(prompt === null ? {} : { prompt }),
    ...(seconds === null ? {} : { seconds }),
    ...(size === null ? {} : { size })
  }
}
