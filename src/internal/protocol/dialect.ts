import type * as Duration from "effect/Duration"
import type { Operation } from "../errors/errorFields.js"
import type { VideoPhase } from "./phase.js"

/** The operations that are requests: a watch is a series of `retrieveVideo`. */
export type Route = Exclude<Operation, "watchVideo" | "awaitVideo">

export const routeOf = (operation: Operation): Route =>
  operation === "watchVideo" || operation === "awaitVideo" ? "retrieveVideo" : operation

/**
 * Lengths in whole seconds: `min`, `min + step` and so on, up to `max`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SecondsRange {
  readonly min: number
  /** Default: no limit that the client knows. */
  readonly max?: number | undefined
  /** Default: 1. */
  readonly step?: number | undefined
}

/**
 * What an extension or an edit may start from, and how the request names it. `null`: the server does not take it, and the
 * client fails with `InvalidRequestError` before it sends anything.
 *
 * @since 0.1.0
 * @category models
 */
export interface SourceRule {
  /** Default: `video`. */
  readonly field?: string | undefined
  /** A job: as `{ id }`, as its id alone, or as the URL of its clip, for which the client reads the job once. */
  readonly job: "object" | "text" | "url" | null
  /** A URL: as `{ url }`, or as text. */
  readonly url: "object" | "text" | null
  /** The id of an uploaded file: as `{ file_id }`. */
  readonly fileId: "object" | null
  /** Whether a `VideoFile` can be one; `edit`: that of an edit alone. */
  readonly file: boolean | "edit"
  /** The longest `VideoFile`, in bytes. Default: no limit that the client knows. */
  readonly maxBytes?: number | undefined
  /** The length of the clip that is extended. Default: no limit that the client knows. */
  readonly extendable?: SecondsRange | undefined
  /** How long the URL of a job's clip can be read. Default: no limit that the client knows. */
  readonly urlLifetime?: Duration.DurationInput | undefined
}

/**
 * Where a response has what the protocol has elsewhere, as paths such as `video.duration`. What is left out is where the
 * protocol has it, and is read as tolerantly.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseRule {
  /** Where the id is; the first path that holds one counts. */
  readonly id?: ReadonlyArray<string> | undefined
  /** The response header of a submission that has the job's id, too: with it, a body that breaks off loses no job. */
  readonly idHeader?: string | undefined
  /** An id with the Unix time of the submission as its first group. */
  readonly createdAtInId?: RegExp | undefined
  readonly seconds?: string | undefined
  /** The URL of the clip. */
  readonly url?: string | undefined
  /** What the job costs: the number there is `unit` to one of the currency. */
  readonly cost?: { readonly field: string; readonly unit: number; readonly currency: string } | undefined
  /** Status words with another meaning than `phaseOf` knows. */
  readonly statuses?: { readonly [word: string]: VideoPhase } | undefined
  /** Whether a job that waits by its status runs once its progress is above 0. */
  readonly progressMeansRunning?: boolean | undefined
  /**
   * How a job shows that moderation refused it: `field` is `false`, it has succeeded without a URL, or the message of its
   * failure matches. Such a job has failed, with the error code `moderation_blocked`.
   */
  readonly moderation?: { readonly field: string; readonly message: RegExp; readonly isBilled: boolean } | undefined
  /** Whether a poll with status 202 may have no body: the job has not ended. */
  readonly isEmptyWhilePending?: boolean | undefined
  /** Fields of the request that no response has: the client fills in what it sent itself. */
  readonly fromRequest?: ReadonlyArray<"model" | "prompt" | "size" | "seconds" | "createdAt"> | undefined
}

/**
 * How one kind of server speaks the protocol: a plain value, each field of which can be overridden.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dialect {
  /** For messages. */
  readonly name: string
  /**
   * The server's public address, and the environment variables that `Videos.layerConfig` reads for it; `null` if each user
   * runs it at an address of their own.
   */
  readonly home: {
    readonly baseUrl: string
    readonly keyVariable: string
    readonly baseUrlVariable?: string | undefined
  } | null
  /** The header that carries the key: `Authorization: Bearer …`, or `api-key: …`. */
  readonly authHeader: "authorization" | "api-key"
  /** Query parameters of every request; those of the configuration win. */
  readonly query?: { readonly [name: string]: string } | undefined
  /**
   * The path of each operation; `{id}` is the job's id. `null`: not served, so that the operation fails with
   * `OperationUnsupportedError` before a request is sent.
   */
  readonly paths: { readonly [route in Route]: string | null }
  /** How a body without a file is written: as JSON, or as a form (`multipart/form-data`). With a file it is a form. */
  readonly encoding: "json" | "form"
  /** How a `VideoFile` is sent: as a part of a form, or inside the body as a URL (`data:video/mp4;base64,…`). */
  readonly files: "form" | "dataUrl"
  /** The field for the length, its JSON type, and the lengths that the server takes. */
  readonly seconds: {
    readonly field: string
    readonly type: "string" | "number"
    readonly create: SecondsRange
    readonly extend: SecondsRange
  }
  /** How a size is written: as it is, or as `aspect_ratio` and `resolution`, the nearest that exist. */
  readonly size: "size" | "aspect_ratio"
  /**
   * How a picture that is not a file is named: `input_reference` with an object (`{ image_url }` or `{ file_id }`) or the URL as
   * text, `image_reference` with the object as JSON text, `image` with `{ url }` or `{ file_id }`, or `frame_images`.
   */
  readonly image: "object" | "url" | "image_reference" | "image" | "frame_images"
  /** The field of a creation that takes a clip to go on from, as JSON text: `{"video_url": …}`. Default: no such field. */
  readonly videoReference?: string | undefined
  readonly source: SourceRule
  /**
   * The model of an extension or an edit that names none: a name, or `ofSource` for that of the job which is extended.
   * Default: none is sent.
   */
  readonly derivedModel?: "ofSource" | (string & {}) | undefined
  /** The request's field for the URL that the server calls when the job ends. Default: the server has no such field. */
  readonly callbackField?: string | undefined
  /** How the server signs its calls. Default: `standard`. */
  readonly webhookScheme?: "standard" | "openrouter" | "llmgateway" | undefined
  /** What the clip of an extension is: the whole, or what the provider behind the server makes of it. */
  readonly extension: "whole" | "unknown"
  /** How its responses differ from the protocol's. Default: in nothing but what every response is read for. */
  readonly response?: ResponseRule | undefined
  /** Whether `GET /videos` has every job, newest first: pages replace single polls, and a job that is not on it was not made. */
  readonly listTrusted: boolean
  /**
   * For one attempt of a submission to a server that responds when the clip is done. A `requestTimeout` of the configuration and a
   * call's `timeout` win. Default: the configuration's `requestTimeout`.
   */
  readonly submitTimeout?: Duration.DurationInput | undefined
  /** What the refusal of a clip says that is elsewhere; its first group is the clip's URL. Default: no URL is read there. */
  readonly contentUrlPattern?: RegExp | undefined
}
