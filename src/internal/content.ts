/** The bytes of a job: from its content route or from where the job says; and why there are none. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type {
  CallOptions,
  DownloadPolicy,
  ResponseMeta,
  VideosByteResponse,
  VideosCall,
  VideosHttpError,
  VideosHttpService
} from "../Http.js"
import type { ContentOptions } from "../Requests.js"
import { phaseOf, type VideoResource } from "../Schema.js"
import type { DownloadVideoError, VideosService } from "../Videos.js"
import { type Ends, graceOf, isToBeExpected, Lagging, notReady, untilThere } from "./contentLag.js"
import { clip, looksLikeHtml, maxDetail, readErrorBody } from "./errorBody.js"
import { asBadRequest } from "./failure.js"
import { monotonicMillis } from "./monotonic.js"
import * as routes from "./routes.js"
import { parseJson } from "./secrets.js"
import { spanOf, withSpan } from "./tracing.js"
import * as wire from "./wire.js"

/** A look at a job on behalf of an operation, as `Videos` takes it. */
export type RetrieveAs = (
  operation: Errors.Operation,
  id: string,
  options?: CallOptions
) => Effect.Effect<VideoResource, Errors.InvalidRequestError | VideosHttpError>

type ByteError = Stream.Stream.Error<VideosByteResponse["stream"]>

type Bytes = Stream.Stream<Uint8Array, DownloadVideoError>

/** What a server may say instead of a clip, and only the job knows why. */
type NoContent =
  | Errors.VideoNotFoundError
  | Errors.BadRequestError
  | Errors.ConflictError
  | Errors.ServerError
  | Errors.OperationUnsupportedError
  | Errors.ResponseDecodeError

/** @internal */
export const makeContent = (
  http: VideosHttpService,
  retrieveAs: RetrieveAs,
  ends: Ends,
  policy: DownloadPolicy | null
): VideosService["content"] => {
  /** "No content" has four reasons, and servers say them with 400, 404, 409, 410, 422 or a 200: the job itself knows. */
  const elsewhere = (
    call: VideosCall,
    id: string,
    options: ContentOptions | undefined,
    error: NoContent
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> => {
    if (error._tag === "ServerError" && error.status !== 425) return Effect.fail(error)
    // 416 is about the range that was asked for, and a page comes from something that knows no jobs.
    if (error._tag === "BadRequestError" && error.status === 416) return Effect.fail(error)
    if (error._tag === "OperationUnsupportedError" && error.detail.startsWith("an HTML page")) return Effect.fail(error)
    return Effect.flatMap(looked(id, options), ({ look, now, serverNow }) => {
      const grace = graceOf(options)
      // Whoever looked at the job may lag as much as whoever looked for its content.
      const seen = ends.within(id, grace, now)
      if (Either.isLeft(look)) {
        const { left } = look
        if (left._tag !== "VideoNotFoundError" || error._tag === "OperationUnsupportedError") return Effect.fail(error)
        return Effect.fail(seen !== null && left.status === 404 ? new Lagging({ error: left, video: seen }) : left)
      }
      const video = look.right
      const fields = { operation: "downloadVideo", video } as const
      switch (phaseOf(video)) {
        case "waiting":
        case "running":
          return Effect.fail(
            seen === null ? new Errors.VideoNotReadyError(fields) : new Lagging({ error, video: seen })
          )
        case "failed":
          return Effect.fail(new Errors.VideoFailedError(fields))
        case "succeeded": {
          ends.saw(video, now)
          const url = isVideo(options) ? (urlOf(video) ?? urlIn(error.detail)) : null
          const why = (refusal: NoContent) => whyNone(video, refusal, { now, serverNow, grace })
          return url === null ? Effect.fail(why(error)) : fromUrl({ ...call, location: url }, why)
        }
      }
    })
  }

  /** The job, and what time it is: here, and where it comes from. */
  const looked = (id: string, options: ContentOptions | undefined) => {
    let date = Number.NaN
    const onResponse = ({ headers }: ResponseMeta) =>
      Effect.sync(() => {
        date = Date.parse(headers["date"] ?? "")
      })
    return Effect.zipWith(
      Effect.either(retrieveAs("downloadVideo", id, { ...asideOf(options), onResponse })),
      Effect.clock,
      (look, clock) => ({
        look,
        now: monotonicMillis(clock),
        serverNow: Number.isNaN(date) ? clock.unsafeCurrentTimeMillis() : date
      })
    )
  }

  /** Why a completed job has no content. */
  const whyNone = (
    video: VideoResource,
    error: NoContent,
    times: Parameters<typeof isToBeExpected>[2]
  ): DownloadVideoError | Lagging => {
    const isRefusal = error._tag === "VideoNotFoundError" || error._tag === "BadRequestError"
    if (isRefusal && isToBeExpected(video, error, times, ends)) return new Lagging({ error, video })
    return error._tag === "VideoNotFoundError"
      ? new Errors.VideoExpiredError({ operation: "downloadVideo", video })
      : error
  }

  /** Where a completed job says that its clip is. */
  const fromUrl = (
    call: VideosCall,
    why: (error: NoContent) => DownloadVideoError | Lagging
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> =>
    Effect.map(http.stream(call), (response) => inspected(call, response, Effect.fail)).pipe(
      Effect.catchTag("ModerationBlockedError", asBadRequest),
      Effect.catchTag("VideoNotFoundError", (error) => Effect.fail(why(error)))
    )

  const open = (id: string, options: ContentOptions | undefined): Effect.Effect<Bytes, DownloadVideoError | Lagging> =>
    Effect.flatMap(routes.contentRequest(id, options), (call) =>
      Effect.map(
        http.stream(call),
        (response): Bytes =>
          isVideo(options)
            ? inspected(call, response, (error, isPage) =>
                // A page comes from something in between, which knows nothing of the job.
                isPage ? Effect.fail(error) : Effect.catchTag(elsewhere(call, id, options, error), "Lagging", notReady)
              )
            : response.stream
      ).pipe(
        Effect.catchTag("ModerationBlockedError", asBadRequest),
        Effect.catchTag(
          "VideoNotFoundError",
          "BadRequestError",
          "ConflictError",
          "ServerError",
          "OperationUnsupportedError",
          (error) => elsewhere(call, id, options, error)
        )
      )
    )

  return (id, options) =>
    Stream.unwrap(
      withSpan(
        untilThere((given) => open(id, given), options, policy),
        "Videos.content",
        () => spanOf("download_video", { "video.id": id })
      )
    )
}

const isVideo = (options: ContentOptions | undefined): boolean => (options?.variant ?? "video") === "video"

/** The call's own options for a look at its job: once, and for JSON, whatever part of the content was wanted. */
const asideOf = (options: ContentOptions | undefined): CallOptions => ({
  timeout: options?.timeout,
  totalTimeout: options?.totalTimeout,
  retry: false,
  extraHeaders: Object.fromEntries(
    Object.entries(options?.extraHeaders ?? {}).filter(([name]) => !/^(range|if-range|accept.*)$/i.test(name))
  )
})

// -----------------------------------------------------------------------------
// a job's own URL
// -----------------------------------------------------------------------------

/** An absolute URL. new-api writes a failure's reason into the same field, SGLang may write a path on its own disk. */
const absolute = (value: unknown): string | null =>
  typeof value === "string" && /^[a-z][a-z0-9+.-]+:\/\/\S+$/i.test(value) ? value : null

const first = (value: unknown): unknown => (Array.isArray(value) ? value.at(0) : undefined)

const field = (value: unknown, name: string): unknown => (wire.isObject(value) ? value[name] : undefined)

/** Where servers put it: SGLang with a cloud store, new-api, Dynamo, OpenRouter. */
const urlOf = ({ extra }: VideoResource): string | null =>
  absolute(extra["url"]) ??
  absolute(field(extra["metadata"], "url")) ??
  absolute(field(first(extra["data"]), "url")) ??
  absolute(first(extra["unsigned_urls"]))

/** SGLang with a cloud store refuses the content with a sentence that holds the signed URL. */
const urlIn = (detail: string): string | null =>
  /https?:\/\/[^\s"'<>]+/i.exec(detail)?.[0].replace(/[.,;:!?)\]}]+$/, "") ?? null

// -----------------------------------------------------------------------------
// a document instead of a clip
// -----------------------------------------------------------------------------

/** So many bytes at the beginning of an answer may be white space before it is taken for a clip. */
const maxPeek = 512

/** More of a document than this is not read. */
const maxDocument = 64 * 1024

type Verdict = "clip" | "document" | "unknown"

// No container of moving pictures begins so: MP4 and QuickTime with a length, Matroska with 1A, AVI with R.
const openers = new Set([..."{[<"].map((sign) => sign.charCodeAt(0)))
/** The first byte of gzip, from a client that leaves it as it is. As the length of an MP4's first box it would be 500 MB. */
const packed = 0x1f
const blanks = new Set([0x20, 0x09, 0x0a, 0x0d])

const judge = (chunks: Chunk.Chunk<Uint8Array>): Verdict => {
  let at = 0
  let mark = 0
  for (const bytes of chunks) {
    for (const byte of bytes) {
      // A byte order mark: EF BB BF.
      if (mark === at && at < 3 && byte === [0xef, 0xbb, 0xbf][at]) mark++
      else if (at === 0 && byte === packed) return "document"
      else if (!blanks.has(byte)) return openers.has(byte) && (mark === 0 || mark === 3) ? "document" : "clip"
      if (++at >= maxPeek) return "clip"
    }
  }
  return "unknown"
}

/** The answer's bytes, unless they are a document: then it is read, as far as need be, and what `otherwise` makes of it. */
const inspected = (
  call: VideosCall,
  response: VideosByteResponse,
  otherwise: (error: Errors.ResponseDecodeError, isPage: boolean) => Effect.Effect<Bytes, DownloadVideoError>
): Bytes => {
  // Part of a clip may begin with any byte.
  if (response.status === 206) return response.stream
  const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  const isText = /^(application\/(problem\+)?json|text\/html|application\/xhtml\+xml)$/.test(type)
  type Step = Channel.Channel<
    Chunk.Chunk<Uint8Array>,
    Chunk.Chunk<Uint8Array>,
    DownloadVideoError,
    ByteError,
    unknown,
    unknown
  >
  const unread = (held: Chunk.Chunk<Uint8Array>): Step =>
    Channel.unwrap(
      Effect.suspend(() => {
        const text = textOf(held)
        const isPage = looksLikeHtml(text) || type.includes("html")
        return Effect.map(otherwise(notAClip(call, response, text, isPage), isPage), Stream.toChannel)
      })
    )
  const gather = (held: Chunk.Chunk<Uint8Array>, bytes: number): Step =>
    bytes >= maxDocument
      ? unread(held)
      : Channel.readWithCause({
          onInput: (chunk: Chunk.Chunk<Uint8Array>) => gather(Chunk.appendAll(held, chunk), bytes + lengthOf(chunk)),
          onFailure: () => unread(held),
          onDone: () => unread(held)
        })
  const look = (held: Chunk.Chunk<Uint8Array>): Step =>
    Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<Uint8Array>) => {
        const all = Chunk.appendAll(held, chunk)
        const verdict = isText ? "document" : judge(all)
        if (verdict === "document") return gather(all, lengthOf(all))
        return verdict === "unknown"
          ? look(all)
          : Channel.zipRight(Channel.write(all), Channel.identity<Chunk.Chunk<Uint8Array>, ByteError, unknown>())
      },
      onFailure: (cause) => Channel.failCause(cause),
      onDone: () => (isText ? unread(held) : Channel.write(held))
    })
  return Stream.pipeThroughChannel(
    response.stream,
    Channel.suspend(() => look(Chunk.empty()))
  )
}

const lengthOf = (chunks: Chunk.Chunk<Uint8Array>): number =>
  Chunk.reduce(chunks, 0, (sum, bytes) => sum + bytes.byteLength)

const textOf = (chunks: Chunk.Chunk<Uint8Array>): string => {
  const decoder = new TextDecoder()
  let text = ""
  for (const bytes of chunks) if (text.length < maxDocument) text += decoder.decode(bytes, { stream: true })
  return text.slice(0, maxDocument)
}

const notAClip = (
  call: VideosCall,
  { requestId, scrub, status }: VideosByteResponse,
  text: string,
  isPage: boolean
): Errors.ResponseDecodeError => {
  const isJson = Option.isSome(parseJson(text))
  const { message } = readErrorBody(text)
  const isPacked = text.charCodeAt(0) === packed
  const kind = isJson
    ? "JSON"
    : isPage
      ? "an HTML page"
      : isPacked
        ? "compressed, though nobody asked for that,"
        : text === ""
          ? "empty"
          : "a text"
  const what = `it is ${kind} and no clip`
  return new Errors.ResponseDecodeError({
    operation: call.operation,
    route: `${call.request.method} ${call.request.url}`,
    status,
    requestId,
    reason: isJson || isPacked ? "shape" : "syntax",
    detail: message === "" || isPacked || message === text.trim() ? what : `${what}: ${clip(scrub(message))}`,
    body: isPacked ? "" : scrub(text).slice(0, maxDetail)
  })
}
