/** What looks find, one after the other. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type { VideoResource, VideoStatus } from "../internal/protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../Videos.js"
import type { VideoFields } from "./snapshots.js"

/**
 * How a look is answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface LookOptions {
  /** Headers of the answer; those that say when to look again are a hint to a watch. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /** The header `openai-poll-after-ms`: how long the server wants to be left alone. */
  readonly pollAfter?: Duration.DurationInput | undefined
  /** How long the answer takes. Default: no time. */
  readonly takes?: Duration.DurationInput | undefined
}

/**
 * What one look finds: a snapshot, an error, or nothing for as long as it waits.
 *
 * @since 0.1.0
 * @category models
 */
export type Look = Data.TaggedEnum<{
  Seen: {
    readonly video: VideoFields
    readonly headers: { readonly [name: string]: string }
    readonly takes: Duration.Duration
  }
  Failed: { readonly error: RetrieveVideoError; readonly takes: Duration.Duration }
  Never: object
}>

const looks = Data.taggedEnum<Look>()

const duration = (takes: Duration.DurationInput | undefined): Duration.Duration => Duration.decode(takes ?? 0)

/**
 * Makes looks.
 *
 * @example
 * import { ServerError } from "effect-videos"
 * import { Look, VideosTest } from "effect-videos/testing"
 *
 * const broken = new ServerError({ operation: "retrieveVideo", status: 502, detail: "bad gateway" })
 *
 * const videos = VideosTest.layerScript({
 *   video_1: ["queued", Look.failed(broken), Look.seen({ status: "in_progress", progress: 40 }), "completed"]
 * })
 *
 * @since 0.1.0
 * @category constructors
 */
export const Look = {
  /** A snapshot: whole, or the fields that `makeVideo` takes. The job's id is the script's. */
  seen: (video: VideoFields | VideoResource, options?: LookOptions): Look =>
    looks.Seen({
      video,
      headers: {
        ...options?.headers,
        ...(options?.pollAfter === undefined
          ? {}
          : { "openai-poll-after-ms": String(Duration.toMillis(options.pollAfter)) })
      },
      takes: duration(options?.takes)
    }),
  /** What `retrieveVideo` fails with. */
  failed: (error: RetrieveVideoError, options?: Pick<LookOptions, "takes">): Look =>
    looks.Failed({ error, takes: duration(options?.takes) }),
  /** No answer: the look ends when it is given up. */
  never: looks.Never()
}

/**
 * A look, or a status for short: `"queued"` is `Look.seen({ status: "queued" })`.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Look | VideoStatus

/**
 * What looks at each job find, by id. The last step is what all further looks find.
 *
 * @since 0.1.0
 * @category models
 */
export interface Script {
  readonly [id: string]: readonly [Step, ...ReadonlyArray<Step>]
}

/** A step spelt out. */
export const lookOf = (step: Step): Look => (typeof step === "string" ? Look.seen({ status: step }) : step)
