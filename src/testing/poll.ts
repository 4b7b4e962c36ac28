/** The results of scripted polls. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type { VideoResource, VideoStatus } from "../internal/protocol/videoSchemas.js"
import type { RetrieveVideoError } from "../Videos.js"
import type { VideoFields } from "./snapshots.js"

/**
 * Headers and delay of a scripted response.
 *
 * @since 0.1.0
 * @category models
 */
export interface PollOptions {
  /** Headers of the response. `Retry-After` and `openai-poll-after-ms` are hints to a watch, as from a server. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /** The header `openai-poll-after-ms`: the delay that the server asks for before the next poll. */
  readonly pollAfter?: Duration.DurationInput | undefined
  /** How long the response takes. Default: no time. */
  readonly takes?: Duration.DurationInput | undefined
}

/**
 * The result of one poll: a snapshot, an error, or a response that never comes.
 *
 * @since 0.1.0
 * @category models
 */
export type Poll = Data.TaggedEnum<{
  Snapshot: {
    readonly video: VideoFields
    readonly headers: { readonly [name: string]: string }
    readonly takes: Duration.Duration
  }
  Failed: { readonly error: RetrieveVideoError; readonly takes: Duration.Duration }
  Never: object
}>

const results = Data.taggedEnum<Poll>()

const duration = (takes: Duration.DurationInput | undefined): Duration.Duration => Duration.decode(takes ?? 0)

/**
 * Makes the results of polls.
 *
 * @example
 * import { ServerError } from "effect-videos"
 * import { Poll, VideosTest } from "effect-videos/testing"
 *
 * const broken = new ServerError({ operation: "retrieveVideo", status: 502, detail: "bad gateway" })
 *
 * const videos = VideosTest.layerScript({
 *   video_1: ["queued", Poll.failed(broken), Poll.snapshot({ status: "in_progress", progress: 40 }), "completed"]
 * })
 *
 * @since 0.1.0
 * @category constructors
 */
export const Poll = {
  /** A snapshot: whole, or the fields that `makeVideo` takes. The job's id is the script's. */
  snapshot: (video: VideoFields | VideoResource, options?: PollOptions): Poll =>
    results.Snapshot({
      video,
      headers: {
        ...options?.headers,
        ...(options?.pollAfter === undefined
          ? {}
          : { "openai-poll-after-ms": String(Duration.toMillis(options.pollAfter)) })
      },
      takes: duration(options?.takes)
    }),
  /** An error of `retrieveVideo`. */
  failed: (error: RetrieveVideoError, options?: { readonly takes?: Duration.DurationInput | undefined }): Poll =>
    results.Failed({ error, takes: duration(options?.takes) }),
  /** No response: the poll ends when it is interrupted. */
  never: results.Never()
}

/**
 * The result of a poll, or a status for short: `"queued"` is `Poll.snapshot({ status: "queued" })`.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Poll | VideoStatus

/**
 * The results of the polls of each job, by id. Further polls return the last one again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Script {
  readonly [id: string]: readonly [Step, ...ReadonlyArray<Step>]
}

/** A step as the result of a poll. */
export const pollOf = (step: Step): Poll => (typeof step === "string" ? Poll.snapshot({ status: step }) : step)
