/** What can be sent as one segment of a path: everything that may be a job's id, and nothing that leaves its place. */
import * as Schema from "effect/Schema"

/**
 * The longest id that is accepted, in UTF-16 units. LiteLLM's ids carry routing data in base64 and run to a few
 * hundred; a longer one than this cannot be sent in a URL that servers take.
 */
const maxIdLength = 2048

// Control characters, C1 included, and unpaired surrogates, which no URL can carry.
const unsafeInPath = /\p{Cc}|\p{Cs}/u

/**
 * `..` as a segment, however it is encoded: an id is sent as one segment, and proxies (nginx) decode a path and resolve it
 * before they pass it on. No server's ids have it: base64 has slashes, and no dots.
 */
const climbs = (id: string): boolean =>
  id.includes(".") || id.includes("%")
    ? /(^|[/\\])\.\.?([/\\]|$)/.test(
        id
          .replace(/%(25)*2e/gi, ".")
          .replace(/%(25)*2f/gi, "/")
          .replace(/%(25)*5c/gi, "\\")
      )
    : false

/** Anything at all that may be an id. */
export const isId = (value: unknown): value is string =>
  typeof value === "string" &&
  value.length > 0 &&
  value.length <= maxIdLength &&
  !climbs(value) &&
  !unsafeInPath.test(value)

/** The annotation that says, in words, what a field accepts; `InvalidRequestError` repeats them. */
export const accepts = (message: string) => ({ message: () => ({ message, override: true }) })

export const acceptedId = "an id of 1 to 2048 characters with no `.` or `..` between slashes and no control characters"

/**
 * A job's id. No prefix is assumed: OpenAI writes `video_…`, vLLM-Omni `video_gen_…`, SGLang a bare UUID, LiteLLM
 * `video_` and standard base64, so `/`, `+` and `=` are legal. It is percent-encoded as one path segment
 * wherever it is sent.
 *
 * @since 0.1.0
 * @category ids
 */
export const VideoId = Schema.String.pipe(
  Schema.filter(isId, {
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
        .filter(isId)
  }),
  Schema.brand("VideoId")
)

/**
 * @since 0.1.0
 * @category ids
 */
export type VideoId = typeof VideoId.Type
