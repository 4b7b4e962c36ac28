/** The content of a job: from its content route, or from a URL or bytes in the job; and the error if there is none. */
import * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { DownloadPolicy } from "../config/policies.js"
import * as Errors from "../errors/errors.js"
import type {
  CallOptions,
  ResponseMeta,
  VideosByteResponse,
  VideosCall,
  VideosHttpError,
  VideosHttpService
} from "../http/httpTypes.js"
import { asBadRequest } from "../http/responseError.js"
import { spanOf, withSpan } from "../http/spans.js"
import { currentMonotonicMillis, monotonicMillis } from "../monotonicClock.js"
import * as routes from "../protocol/readRequests.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import { phaseOf, type VideoResource } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { withLimit } from "./byteStream.js"
import {
  failNotReady,
  graceOf,
  isGone,
  isReplicaLag,
  Lagging,
  type RecentJobs,
  retryWhileLagging
} from "./contentLag.js"
import {
  addressesIn,
  base64Length,
  type ContentSource,
  decodeBase64,
  isRelative,
  sourcesOf,
  withoutQueries
} from "./contentSource.js"
import { type Bytes, inspectContent } from "./inspectContent.js"

/** A poll of a job on behalf of an operation, as `Videos` takes it. */
export type RetrieveAs = (
  operation: Errors.Operation,
  id: string,
  options?: CallOptions
) => Effect.Effect<VideoResource, Errors.InvalidRequestError | VideosHttpError>

/** Responses whose meaning depends on the job. */
type NoContent =
  | Errors.VideoNotFoundError
  | Errors.BadRequestError
  | Errors.ConflictError
  | Errors.ServerError
  | Errors.OperationUnsupportedError
  | Errors.ResponseDecodeError

type Times = Parameters<typeof isReplicaLag>[2]

/** @internal */
export const makeContent = (
  http: VideosHttpService,
  retrieveAs: RetrieveAs,
  endedJobs: RecentJobs,
  policy: DownloadPolicy
): VideosService["content"] => {
  /**
   * There are four reasons for missing content, and servers respond to them with 400, 404, 409, 410, 422 or 200. A poll of the job
   * shows which it is, and where else the content may be.
   */
  const recoverContent = (
    call: VideosCall,
    id: string,
    options: ContentOptions | undefined,
    error: NoContent
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> => {
    if (error._tag === "ServerError" && error.status !== 425) return Effect.fail(error)
    // 416 is about the range that was asked for, and a page comes from something that knows no jobs.
    if (error._tag === "BadRequestError" && error.status === 416) return Effect.fail(error)
    if (error._tag === "OperationUnsupportedError" && error.detail.startsWith("an HTML page")) return Effect.fail(error)
    return Effect.flatMap(readJob(id, options), ({ polled, now, serverNow }) => {
      const grace = graceOf(options)
      // The replica that was polled may lag as much as the one that was asked for the content.
      const completedJob = endedJobs.findRecent(id, grace, now)
      if (Either.isLeft(polled)) {
        const { left } = polled
        if (left._tag === "AuthenticationError" && left.reason === "forbidden" && completedJob !== null)
          return Effect.fail(new Lagging({ error: left, video: completedJob, detail: null }))
        if (left._tag !== "VideoNotFoundError" || error._tag === "OperationUnsupportedError") return Effect.fail(error)
        return Effect.fail(
          completedJob !== null && left.status === 404
            ? new Lagging({ error: left, video: completedJob, detail: null })
            : left
        )
      }
      const video = polled.right
      const fields = { operation: "downloadVideo", video } as const
      switch (phaseOf(video)) {
        case "waiting":
        case "running":
          return Effect.fail(
            completedJob === null
              ? new Errors.VideoNotReadyError(fields)
              : new Lagging({ error, video: completedJob, detail: null })
          )
        case "failed":
          return Effect.fail(new Errors.VideoFailedError(fields))
        case "succeeded": {
          endedJobs.add(video, now)
          const times = { now, serverNow, grace }
          const sources = isVideo(options) ? [...sourcesOf(video), ...sourceIn(error)] : []
          return fromSources(call, sources, (failure) =>
            failure === null
              ? Effect.fail(missingContentError(call, options, video, error, times))
              : fromUrlFailed(call, options, video, failure, times)
          )
        }
      }
    })
  }

  /** A proxy may refuse a job that it has not recorded yet (LiteLLM), although this program has just seen its end. */
  const recoverForbidden = (id: string, options: ContentOptions | undefined, error: Errors.AuthenticationError) =>
    Effect.flatMap(currentMonotonicMillis, (now) => {
      const video = error.reason === "forbidden" ? endedJobs.findRecent(id, graceOf(options), now) : null
      return Effect.fail(video === null ? error : new Lagging({ error, video, detail: null }))
    })

  /** Polls the job; with the time of the local clock and of the server's. */
  const readJob = (id: string, options: ContentOptions | undefined) => {
    let date = Number.NaN
    const onResponse = ({ headers }: ResponseMeta) =>
      Effect.sync(() => {
        date = Date.parse(headers["date"] ?? "")
      })
    return Effect.zipWith(
      Effect.either(retrieveAs("downloadVideo", id, { ...pollOptionsOf(options), onResponse })),
      Effect.clock,
      (polled, clock) => ({
        polled,
        now: monotonicMillis(clock),
        serverNow: Number.isNaN(date) ? clock.unsafeCurrentTimeMillis() : date
      })
    )
  }

  /** The clip's URL in an error message, for the servers whose preset has a pattern for that. */
  const sourceIn = (error: NoContent): ReadonlyArray<ContentSource> => {
    const pattern = error._tag === "BadRequestError" ? policy.contentUrlPattern : undefined
    const url = pattern === undefined ? undefined : new RegExp(pattern.source, pattern.flags).exec(error.detail)?.[1]
    return url === undefined ? [] : [{ _tag: "Url", field: "detail", url }]
  }

  /** The error of a completed job without content. */
  const missingContentError = (
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
      isReplicaLag(video, error, times, endedJobs)
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

  /** The error if a URL in a completed job has no clip. */
  const fromUrlFailed = (
    call: VideosCall,
    options: ContentOptions | undefined,
    video: VideoResource,
    error: VideosHttpError,
    times: Times
  ): Effect.Effect<never, DownloadVideoError | Lagging> =>
    error._tag === "VideoNotFoundError"
      ? Effect.fail(missingContentError(call, options, video, error, times))
      : error._tag === "ModerationBlockedError"
        ? asBadRequest(error)
        : Effect.fail(error)

  /** Opens the first source that has a clip. If none has, `otherwise` gets the first error, except that of a relative URL. */
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
    const opened =
      source._tag === "Bytes" ? embeddedContent(call, source) : http.stream({ ...call, location: source.url })
    return opened.pipe(
      Effect.map((response) =>
        inspectContent(call, response, true, (error) => Effect.catchTag(next(error), "Lagging", failNotReady))
      ),
      Effect.catchAll(next)
    )
  }

  /** Opens the content route; if it has no content, the sources in the job. */
  const byRoute = (
    id: string,
    options: ContentOptions | undefined
  ): Effect.Effect<Bytes, DownloadVideoError | Lagging> =>
    Effect.flatMap(routes.contentRequest(id, options), (call) =>
      Effect.map(
        http.stream(call),
        (response): Bytes =>
          inspectContent(call, response, isVideo(options), (error, isPage) =>
            // A page comes from something in between, which knows nothing of the job.
            isPage
              ? Effect.fail(error)
              : Effect.catchTag(recoverContent(call, id, options, error), "Lagging", failNotReady)
          )
      ).pipe(
        Effect.catchTag("ModerationBlockedError", asBadRequest),
        Effect.catchTag("AuthenticationError", (error) => recoverForbidden(id, options, error)),
        Effect.catchTag(
          "VideoNotFoundError",
          "BadRequestError",
          "ConflictError",
          "ServerError",
          "OperationUnsupportedError",
          (error) => recoverContent(call, id, options, error)
        )
      )
    )

  /** If the snapshot of a completed job has sources, they come first: its server may have no content route. */
  const openContent = (
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
        retryWhileLagging((given) => openContent(id, given), options, policy),
        "Videos.content",
        () => spanOf("download_video", { "video.id": id })
      )
    )
}

const isVideo = (options: ContentOptions | undefined): boolean => (options?.variant ?? "video") === "video"

/** The call's own options for a poll of its job: once, and for JSON, whatever part of the content was wanted. */
const pollOptionsOf = (options: ContentOptions | undefined): CallOptions => ({
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

const unchanged = (text: string): string => text

/** The clip's own bytes, decoded as they are read. */
const embeddedContent = (
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
    redact: unchanged,
    stream: withLimit(
      decodeBase64(base64, () => undecodable("it is not base64")),
      {
        limit: Number.POSITIVE_INFINITY,
        onTooLong: () => undecodable("it is too long"),
        isWhole: true,
        onTruncated: (why) => undecodable(`the clip is truncated: ${why}`)
      }
    )
  }
  // There is no response: what follows goes by the length.
  const onResponse = call.options?.onResponse
  return onResponse === undefined ? Effect.succeed(response) : Effect.as(onResponse(meta), response)
}
