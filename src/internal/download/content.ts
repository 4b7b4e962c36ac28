/** The bytes of a job: from its content route or from where the job says; and why there are none. */
import * as Headers from "@effect/platform/Headers"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DownloadPolicy } from "../config/policies.js"
import * as Errors from "../errors/errors.js"
import { looksLikeHtml, maxDetail, readErrorBody } from "../http/errorBody.js"
import type {
  CallOptions,
  ResponseMeta,
  VideosByteResponse,
  VideosCall,
  VideosHttpError,
  VideosHttpService
} from "../http/httpTypes.js"
import { parseJson } from "../http/redaction.js"
import { asBadRequest } from "../http/responseError.js"
import { spanOf, withSpan } from "../http/spans.js"
import { currentMonotonicMillis, monotonicMillis } from "../monotonicClock.js"
import * as wire from "../protocol/jsonReaders.js"
import * as routes from "../protocol/readRequests.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import { phaseOf, type VideoResource } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { bounded } from "./byteStream.js"
import { type Ends, graceOf, isGone, isToBeExpected, Lagging, notReady, untilThere } from "./contentLag.js"
import {
  addressesIn,
  base64Length,
  type ContentSource,
  decodeBase64,
  isRelative,
  sourcesOf,
  withoutQueries
} from "./contentSource.js"
import { headLength, type Signature, signatureOf, textFormat, utf16Of } from "./mediaSignature.js"

/** A poll of a job on behalf of an operation, as `Videos` takes it. */
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

type Times = Parameters<typeof isToBeExpected>[2]

/** @internal */
export const makeContent = (
  http: VideosHttpService,
  retrieveAs: RetrieveAs,
  ends: Ends,
  policy: DownloadPolicy
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
      // The replica that was polled may lag as much as the one that was asked for the content.
      const seen = ends.within(id, grace, now)
      if (Either.isLeft(look)) {
        const { left } = look
        if (left._tag === "AuthenticationError" && left.reason === "forbidden" && seen !== null)
          return Effect.fail(new Lagging({ error: left, video: seen, detail: null }))
        if (left._tag !== "VideoNotFoundError" || error._tag === "OperationUnsupportedError") return Effect.fail(error)
        return Effect.fail(
          seen !== null && left.status === 404 ? new Lagging({ error: left, video: seen, detail: null }) : left
        )
      }
      const video = look.right
      const fields = { operation: "downloadVideo", video } as const
      switch (phaseOf(video)) {
        case "waiting":
        case "running":
          return Effect.fail(
            seen === null ? new Errors.VideoNotReadyError(fields) : new Lagging({ error, video: seen, detail: null })
          )
        case "failed":
          return Effect.fail(new Errors.VideoFailedError(fields))
        case "succeeded": {
          ends.saw(video, now)
          const times = { now, serverNow, grace }
          const sources = isVideo(options) ? [...sourcesOf(video), ...sourceIn(error)] : []
          return fromSources(call, sources, (failure) =>
            failure === null
              ? Effect.fail(whyNone(call, options, video, error, times))
              : fromUrlFailed(call, options, video, failure, times)
          )
        }
      }
    })
  }

  /** A proxy may refuse a job that it has not recorded yet (LiteLLM): this program has just seen it end. */
  const denied = (id: string, options: ContentOptions | undefined, error: Errors.AuthenticationError) =>
    Effect.flatMap(currentMonotonicMillis, (now) => {
      const video = error.reason === "forbidden" ? ends.within(id, graceOf(options), now) : null
      return Effect.fail(video === null ? error : new Lagging({ error, video, detail: null }))
    })

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

  /** The clip's URL in a refusal: of the one kind of server that writes it there, and only in its own sentence. */
  const sourceIn = (error: NoContent): ReadonlyArray<ContentSource> => {
    const pattern = error._tag === "BadRequestError" ? policy.contentUrlPattern : undefined
    const url = pattern === undefined ? undefined : new RegExp(pattern.source, pattern.flags).exec(error.detail)?.[1]
    return url === undefined ? [] : [{ _tag: "Url", field: "detail", url }]
  }

  /** Why a completed job has no content. */
  const whyNone = (
    call: VideosCall,
    options: ContentOptions | undefined,
    video: VideoResource,
    error: NoContent,
    times: Times
  ): DownloadVideoError | Lagging => {
    const addresses = addressesIn(video)
    const detail = withoutQueries(error.detail)
    const route = "route" in error ? error.route : `${call.request.method} ${call.request.url}`
    const { operation, requestId, status } = error
    const missing = new Errors.VideoContentNotFoundError({
      operation,
      status,
      requestId,
      detail,
      route,
      video,
      addresses,
      ...("origin" in error
        ? {
            origin: error.origin,
            isForeign: error.isForeign,
            code: error.code,
            retryAfter: error.retryAfter,
            shouldRetry: error.shouldRetry
          }
        : {})
    })
    if (
      (error._tag === "VideoNotFoundError" ||
        error._tag === "BadRequestError" ||
        error._tag === "ResponseDecodeError") &&
      isToBeExpected(video, error, times, ends)
    ) {
      return new Lagging({ error, video, detail: missing.found })
    }
    if (error._tag === "VideoNotFoundError") {
      const isOver = isGone(error) || (video.expiresAt !== null && video.expiresAt.epochMillis <= times.serverNow)
      return isOver || (addresses.length === 0 && isVideo(options))
        ? new Errors.VideoExpiredError({ operation: "downloadVideo", video, status, detail })
        : missing
    }
    if (addresses.length > 0 && isVideo(options)) return missing
    return error._tag === "BadRequestError" ? new Errors.BadRequestError({ ...error, detail }) : error
  }

  /** A URL that a completed job names led to no clip. */
  const fromUrlFailed = (
    call: VideosCall,
    options: ContentOptions | undefined,
    video: VideoResource,
    error: VideosHttpError,
    times: Times
  ): Effect.Effect<never, DownloadVideoError | Lagging> =>
    error._tag === "VideoNotFoundError"
      ? Effect.fail(whyNone(call, options, video, error, times))
      : error._tag === "ModerationBlockedError"
        ? asBadRequest(error)
        : Effect.fail(error)

  /** The first of them that leads to a clip; `otherwise` with why the first did not, where that was more than a guess. */
  const fromSources = (
    call: VideosCall,
    sources: ReadonlyArray<ContentSource>,
    otherwise: (failure: VideosHttpError | null) => Effect.Effect<Bytes, DownloadVideoError | Lagging>,
    failure: VideosHttpError | null = null
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> => {
    const [source, ...rest] = sources
    if (source === undefined) return otherwise(failure)
    const isGuess = source._tag === "Url" && isRelative(source.url)
    const next = (error: VideosHttpError) => fromSources(call, rest, otherwise, failure ?? (isGuess ? null : error))
    const opened = source._tag === "Bytes" ? inside(call, source) : http.stream({ ...call, location: source.url })
    return opened.pipe(
      Effect.map((response) =>
        inspected(call, response, true, (error) => Effect.catchTag(next(error), "Lagging", notReady))
      ),
      Effect.catchAll(next)
    )
  }

  /** By the content route, and where that has none, from where the job says. */
  const byRoute = (
    id: string,
    options: ContentOptions | undefined
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> =>
    Effect.flatMap(routes.contentRequest(id, options), (call) =>
      Effect.map(
        http.stream(call),
        (response): Bytes =>
          inspected(call, response, isVideo(options), (error, isPage) =>
            // A page comes from something in between, which knows nothing of the job.
            isPage ? Effect.fail(error) : Effect.catchTag(elsewhere(call, id, options, error), "Lagging", notReady)
          )
      ).pipe(
        Effect.catchTag("ModerationBlockedError", asBadRequest),
        Effect.catchTag("AuthenticationError", (error) => denied(id, options, error)),
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

  /** A snapshot of a completed job that names its clip, or has it, is where to begin: its server may have no other route. */
  const open = (
    id: string,
    options: ContentOptions | undefined
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> => {
    const video = options?.snapshot
    const sources = video === undefined || video.id !== id || !isVideo(options) ? [] : sourcesOf(video)
    if (video === undefined || sources.length === 0) return byRoute(id, options)
    return Effect.flatMap(routes.contentRequest(id, options), (call) =>
      fromSources(call, sources, (failure) => {
        if (failure === null) return byRoute(id, options)
        const failed = Effect.flatMap(currentMonotonicMillis, (now) =>
          fromUrlFailed(call, options, video, failure, { now, serverNow: now, grace: graceOf(options) })
        )
        // The URL may have run out, and the job have another by now. A server without the route says nothing about the clip.
        return Effect.catchTag(byRoute(id, options), "VideoNotFoundError", "OperationUnsupportedError", () => failed)
      })
    )
  }

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

/** The call's own options for a poll of its job: once, and for JSON, whatever part of the content was wanted. */
const asideOf = (options: ContentOptions | undefined): CallOptions => ({
  timeout: options?.timeout,
  totalTimeout: options?.totalTimeout,
  retry: false,
  extraHeaders: Object.fromEntries(
    Object.entries(options?.extraHeaders ?? {}).filter(([name]) => !/^(range|if-range|accept.*)$/i.test(name))
  ),
  extraQuery: options?.extraQuery
})

// -----------------------------------------------------------------------------
// the clip inside its job
// -----------------------------------------------------------------------------

const itself = (text: string): string => text

/** The clip's own bytes, decoded as they are read. */
const inside = (
  call: VideosCall,
  { base64, field }: ContentSource & { readonly _tag: "Bytes" }
): Effect.Effect<VideosByteResponse> => {
  const length = base64Length(base64)
  const route = `the job's \`${field}\``
  const headers = Headers.fromInput(length === null ? {} : { "content-length": String(length) })
  const meta = { status: 200, headers, requestId: null }
  const undecodable = (detail: string) =>
    new Errors.ResponseDecodeError({ operation: call.operation, route, status: 200, reason: "shape", detail, body: "" })
  const response = {
    ...meta,
    route,
    scrub: itself,
    stream: bounded(
      decodeBase64(base64, () => undecodable("it is not base64")),
      {
        limit: Number.POSITIVE_INFINITY,
        onMore: () => undecodable("it is too long"),
        isWhole: true,
        onCut: (why) => undecodable(`the clip is truncated: ${why}`)
      }
    )
  }
  // There is no response: what follows goes by the length.
  const onResponse = call.options?.onResponse
  return onResponse === undefined ? Effect.succeed(response) : Effect.as(onResponse(meta), response)
}

// -----------------------------------------------------------------------------
// something else instead of a clip
// -----------------------------------------------------------------------------

/** More of a document than this is not read. */
const maxDocument = 64 * 1024

/** So much of a document is in an error's message. */
const maxQuote = 300

/** What a body is, where it is not what was asked for; `null` while it may be. */
type Refused = Signature | null

/** A picture is right where a thumbnail was asked for. */
const refusedOf = (signature: Signature, type: string, wantsVideo: boolean): Refused => {
  switch (signature.media) {
    case "video":
      return null
    case "picture":
      return wantsVideo ? signature : null
    case "unknown":
      if (/^(text\/|multipart\/|application\/(problem\+)?json$|application\/xhtml\+xml$)/.test(type)) {
        return { media: "text", format: "text" }
      }
      return wantsVideo && type.startsWith("image/") ? { media: "picture", format: `a picture (${type})` } : null
    default:
      return signature
  }
}

/** A spritesheet may be described in JSON. */
const isDescription = (text: string): boolean =>
  Option.match(parseJson(text), {
    onNone: () => false,
    onSome: (json) => !wire.isObject(json) || !["error", "detail", "message"].some((name) => name in json)
  })

type Step = Channel.Channel<
  Chunk.Chunk<Uint8Array>,
  Chunk.Chunk<Uint8Array>,
  DownloadVideoError,
  ByteError,
  unknown,
  unknown
>

const passed: Channel.Channel<
  Chunk.Chunk<Uint8Array>,
  Chunk.Chunk<Uint8Array>,
  ByteError,
  ByteError,
  unknown,
  unknown
> = Channel.identity()

/**
 * The response's bytes, once the first of them have shown that they may be a clip. Else what they say is read, as far as need
 * be, and `otherwise` decides.
 */
const inspected = (
  call: VideosCall,
  response: VideosByteResponse,
  wantsVideo: boolean,
  otherwise: (error: Errors.ResponseDecodeError, isPage: boolean) => Effect.Effect<Bytes, DownloadVideoError>
): Bytes => {
  // Part of a clip may begin with any byte.
  if (response.status === 206 && !/^\s*bytes\s+0-/i.test(response.headers["content-range"] ?? ""))
    return response.stream
  const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""

  const refuse = (held: Chunk.Chunk<Uint8Array>, what: Signature): Step =>
    Channel.unwrap(
      Effect.suspend(() => {
        const text = what.media === "text" ? textOf(held) : ""
        if (!wantsVideo && isDescription(text)) return Effect.succeed(Channel.write(held))
        const isPage = what.media === "text" && (type.includes("html") || isHtml(text))
        const error = notAClip(call, response, what, text, isPage, wantsVideo)
        return Effect.map(otherwise(error, isPage), Stream.toChannel)
      })
    )

  /** The rest of a document, up to its limit. */
  const gather = (held: Chunk.Chunk<Uint8Array>, bytes: number, what: Signature): Step =>
    bytes >= maxDocument
      ? refuse(held, what)
      : Channel.readWithCause({
          onInput: (chunk: Chunk.Chunk<Uint8Array>) =>
            gather(Chunk.appendAll(held, chunk), bytes + lengthOf(chunk), what),
          onFailure: () => refuse(held, what),
          onDone: () => refuse(held, what)
        })

  const inspect = (held: Chunk.Chunk<Uint8Array>, head: Uint8Array, isWhole: boolean): Step => {
    const signature = signatureOf(head, isWhole)
    if (signature === null) return read(held, head)
    const refused = refusedOf(signature, type, wantsVideo)
    if (refused === null) return isWhole ? Channel.write(held) : Channel.zipRight(Channel.write(held), passed)
    return refused.media === "text" && !isWhole ? gather(held, lengthOf(held), refused) : refuse(held, refused)
  }

  const read = (held: Chunk.Chunk<Uint8Array>, head: Uint8Array): Step =>
    Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<Uint8Array>) => inspect(Chunk.appendAll(held, chunk), extended(head, chunk), false),
      onFailure: (cause) =>
        // A document that broke off still says what it says. A few letters may be anything.
        /^\s*[{[<]/.test(textOf(held)) ? inspect(held, head, true) : Channel.failCause(cause),
      onDone: () => inspect(held, head, true)
    })

  return Stream.pipeThroughChannel(
    response.stream,
    Channel.suspend(() => read(Chunk.empty(), new Uint8Array(0)))
  )
}

/** The head, with what comes after it, as far as it is looked at. */
const extended = (head: Uint8Array, chunks: Chunk.Chunk<Uint8Array>): Uint8Array => {
  let longer = head
  for (const bytes of chunks) {
    if (longer.length >= headLength) break
    const before = longer
    longer = new Uint8Array(Math.min(headLength, before.length + bytes.length))
    longer.set(before)
    longer.set(bytes.subarray(0, longer.length - before.length), before.length)
  }
  return longer
}

const lengthOf = (chunks: Chunk.Chunk<Uint8Array>): number =>
  Chunk.reduce(chunks, 0, (sum, bytes) => sum + bytes.byteLength)

const textOf = (chunks: Chunk.Chunk<Uint8Array>): string => {
  const decoder = new TextDecoder(utf16Of(extended(new Uint8Array(0), chunks)) ?? "utf-8")
  let text = ""
  for (const bytes of chunks) if (text.length < maxDocument) text += decoder.decode(bytes, { stream: true })
  return text.slice(0, maxDocument)
}

const isHtml = (text: string): boolean => looksLikeHtml(text) && !/^\s*<\?xml/i.test(text)

const notAClip = (
  call: VideosCall,
  { requestId, route = `${call.request.method} ${call.request.url}`, scrub, status }: VideosByteResponse,
  what: Signature,
  text: string,
  isPage: boolean,
  wantsVideo: boolean
): Errors.ResponseDecodeError => {
  const isJson = Option.isSome(parseJson(text))
  const format = isJson ? "JSON" : isPage ? "an HTML page" : what.media === "text" ? textFormat(text) : what.format
  // What is not for people is not quoted.
  const isForPeople = isJson || isPage || format === "text" || format === "XML"
  const quote = isForPeople ? withoutQueries(scrub(readErrorBody(text).message)) : ""
  const words = quote.length > maxQuote ? `${quote.slice(0, maxQuote)}…` : quote
  const of = wantsVideo ? "a video" : "a picture"
  return new Errors.ResponseDecodeError({
    operation: call.operation,
    route,
    status,
    requestId,
    // A proxy's page, or nothing at all, may be a clip the next time.
    reason: isPage || what.media === "empty" ? "syntax" : "shape",
    detail: `it is ${format} instead of ${of}${words === "" || format === words ? "" : `: ${words}`}`,
    body: isForPeople ? withoutQueries(scrub(text)).slice(0, maxDetail) : ""
  })
}
