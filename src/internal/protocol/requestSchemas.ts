import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { CallOptions } from "../http/httpTypes.js"
import type { VideoFile } from "./videoFile.js"
import { accepts, VideoId } from "./videoId.js"
import type { Json, VideoResource } from "./videoSchemas.js"

/** The protocol's limit, in Unicode characters: `maxLength` of JSON Schema counts code points, not UTF-16 units. */
const maxPromptLength = 32_000

const isPrompt = (prompt: string): boolean =>
  prompt.length <= maxPromptLength || (prompt.length <= 2 * maxPromptLength && [...prompt].length <= maxPromptLength)

/**
 * What to make: 1 to 32,000 characters.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Prompt = Schema.NonEmptyString.pipe(
  Schema.filter(isPrompt, { ...accepts("a text of 1 to 32,000 characters"), identifier: "Prompt" })
)

/**
 * A length in whole seconds. The protocol has 4, 8, 12, 16 and 20; each dialect has its own range, and another length is an
 * `InvalidRequestError` before anything is sent.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoSeconds = number

/**
 * `VideoSeconds` on the wire is a string, such as `"8"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VideoSeconds: Schema.Schema<number, string> = Schema.compose(
  Schema.String.pipe(Schema.pattern(/^[1-9]\d{0,5}$/)),
  Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 999_999))
).annotations({ ...accepts("a whole number of seconds, 1 or more"), identifier: "VideoSeconds" })

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
  message: () => "a job's id, a reference `{ id }`, a URL, `{ fileId }` or a VideoFile"
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
export const CreateVideoBody = Schema.standardSchemaV1(
  Schema.Struct({
    prompt: Prompt,
    model: Schema.optionalWith(Named, { exact: true }),
    seconds: Schema.optionalWith(VideoSeconds, { exact: true }),
    size: Schema.optionalWith(Named, { exact: true }),
    inputReference: Schema.optionalWith(ImageReference, { exact: true }).pipe(Schema.fromKey("input_reference"))
  }).annotations({ identifier: "CreateVideoBody" })
)

/**
 * The body of `POST /videos/extensions` with a reference.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendVideoBody = Schema.standardSchemaV1(
  Schema.Struct({
    video: VideoReference,
    prompt: Prompt,
    seconds: VideoSeconds
  }).annotations({ identifier: "ExtendVideoBody" })
)

/**
 * The fields of `POST /videos/extensions` that travel beside an uploaded file.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExtendVideoForm = Schema.standardSchemaV1(
  Schema.Struct({ prompt: Prompt, seconds: VideoSeconds }).annotations({ identifier: "ExtendVideoForm" })
)

/**
 * The body of `POST /videos/edits` with a reference.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EditVideoBody = Schema.standardSchemaV1(
  Schema.Struct({ video: VideoReference, prompt: Prompt }).annotations({ identifier: "EditVideoBody" })
)

/**
 * The body of `POST /videos/{id}/remix`, and what travels beside the file of an edit.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PromptBody = Schema.standardSchemaV1(
  Schema.Struct({ prompt: Prompt }).annotations({ identifier: "PromptBody" })
)

/**
 * What travels beside the file of `POST /videos/characters`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CharacterBody = Schema.standardSchemaV1(
  Schema.Struct({
    name: Schema.NonEmptyString.pipe(
      Schema.filter((name) => [...name].length <= 80, accepts("a text of 1 to 80 characters"))
    )
  }).annotations({ identifier: "CharacterBody" })
)

/**
 * The query of `GET /videos`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ListQuery = Schema.standardSchemaV1(
  Schema.Struct({
    limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 100, accepts("a whole number from 1 to 100"))), {
      exact: true
    }),
    order: Schema.optionalWith(Schema.Literal("asc", "desc").annotations(accepts("`asc` or `desc`")), { exact: true }),
    after: Schema.optionalWith(VideoId, { exact: true })
  }).annotations({ identifier: "ListQuery" })
)

/**
 * Fields that the protocol does not have.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialectFields {
  /** The server's name for a model. Default: the dialect's `derivedModel`, or none. */
  readonly model?: string | undefined
  /** Where the server reports the end of the job (OpenRouter, llmgateway); see `effect-videos/Webhook`. */
  readonly callback?: Callback | undefined
  /** The server's own parameters (`seed`, `fps`, `num_frames`, …). They are merged in last and may override. */
  readonly extraBody?: { readonly [name: string]: Json } | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Callback {
  /** An https URL. */
  readonly url: string
  /** What the server signs its calls with; llmgateway wants one. */
  readonly secret?: string | Redacted.Redacted | undefined
}

/**
 * A clip to extend or edit: a completed job, by id, reference or snapshot; a URL (`https:` or `data:`); the id of an uploaded
 * file; or a file of this machine. What the dialect does not take is an `InvalidRequestError` before anything is sent.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoSource =
  | string
  | { readonly id: string }
  | { readonly url: string }
  | { readonly fileId: string }
  | VideoFile

/**
 * A new clip.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateVideoRequest extends DialectFields {
  /** What to show: 1 to 32,000 characters. */
  readonly prompt: string
  /** The server's name for a model. Left out, the server chooses; new-api and xAI want one. */
  readonly model?: string | undefined
  /** Length of the clip. Default: the server's, 4 in the protocol. */
  readonly seconds?: VideoSeconds | undefined
  /** Left out, the server's default: `720x1280` in the protocol. */
  readonly size?: VideoSize | undefined
  /** A picture to start from: by URL, data URL or file id, or a file, which is uploaded. */
  readonly inputReference?: ImageReference | VideoFile | undefined
}

/**
 * A longer clip: the source, and `seconds` more of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtendVideoRequest extends DialectFields {
  readonly video: VideoSource
  /** What happens next: 1 to 32,000 characters. */
  readonly prompt: string
  /** Length of the new segment alone. The response's `seconds` is that of the whole clip. */
  readonly seconds: VideoSeconds
}

/**
 * A clip made anew from another, by a prompt that says what changes.
 *
 * @since 0.1.0
 * @category models
 */
export interface EditVideoRequest extends DialectFields {
  readonly video: VideoSource
  /** What changes: 1 to 32,000 characters. */
  readonly prompt: string
}

/**
 * A job's clip again, with another prompt.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemixVideoRequest extends Pick<DialectFields, "extraBody"> {
  /** The completed job to remix, by id, reference or snapshot. */
  readonly video: string | { readonly id: string }
  /** The new prompt: 1 to 32,000 characters. */
  readonly prompt: string
}

/**
 * A character, out of a clip.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateCharacterRequest {
  readonly video: VideoFile
  /** What later prompts call it: 1 to 80 characters. */
  readonly name: string
}

/**
 * Options of a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListVideosOptions extends CallOptions {
  /** Jobs per page, 1 to 100. Left out, the server's default. */
  readonly limit?: number | undefined
  /** By the time of creation. Left out, the server's default: newest first in the protocol. */
  readonly order?: "asc" | "desc" | undefined
  /** The id of the job after which to begin. */
  readonly after?: string | undefined
}

/**
 * Options of a download.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContentOptions extends CallOptions {
  /** Which file of the job. None is sent unless asked for: SGLang takes any for an output's index and returns 404. */
  readonly variant?: VideoVariant | undefined
  /**
   * For how long after a job's end "no such content" counts as a replica that lags: it is asked for again by the
   * configuration's `readRetry`, and is `VideoNotReadyError` until then, `VideoExpiredError` from then on. Default: 30 seconds.
   */
  readonly contentGrace?: Duration.DurationInput | undefined
  /**
   * The completed job, if it is at hand: its own URL or bytes come before the content route. `downloadVideo(job)` sets it.
   */
  readonly snapshot?: VideoResource | undefined
}
