/** The content of a job: from its content route, or from a URL or bytes in the job; and the error if there is none. */
import * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
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
import { currentMonotonicMillis } from "../monotonicClock.js"
import * as routes from "../protocol/readRequests.js"
import type { ContentOptions } from "../protocol/requestSchemas.js"
import { phaseOf, type VideoResource } from "../protocol/videoSchemas.js"
import type { DownloadVideoError, VideosService } from "../videosTypes.js"
import { failIfTruncated } from "./containerCheck.js"
import {
  graceOf,
  isGone,
  isReplicaLag,
  type Lagging,
  lagging,
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

/** Responses whose meaning depends on the job. */
type NoContent =
  | Errors.VideoNotFoundError
  | Errors.BadRequestError
  | Errors.ConflictError
  | Errors.ServerError
  | Errors.OperationUnsupportedError
  | Errors.ResponseDecodeError

/** `Lagging` may be retried. */
type Opened = Effect.Effect<Bytes, DownloadVideoError | Lagging>

/** `serverNow`: the time of the server's clock. */
interface Times {
  readonly now: number
  readonly serverNow: number
}

/** @internal */
export const makeContent = (
  http: VideosHttpService,
  retrieveAs: (
    operation: Errors.Operation,
    id: string,
    options?: CallOptions
  ) => Effect.Effect<VideoResource, Errors.InvalidRequestError | VideosHttpError>,
  endedJobs: RecentJobs,
  policy: DownloadPolicy
): VideosService["content"] => {
  const open = (call: VideosCall, id: string, options: ContentOptions | undefined): Opened => {
    const isVideo = (options?.variant ?? "video") === "video"
    const grace = graceOf(options)

    /** The error of a completed job without content. */
    const missingContent = (video: VideoResource, error: NoContent, times: Times) => {
      const addresses = addressesIn(video)
      const detail = withoutQueries(error.detail)
      const route = "route" in error ? error.route : `${call.request.method} ${call.request.url}`
      const missing = new Errors.VideoContentNotFoundError({ ...error, detail, route, video, addresses })
      const isRefusal =
        error._tag === "VideoNotFoundError" || error._tag === "BadRequestError" || error._tag === "ResponseDecodeError"
      if (isRefusal && isReplicaLag(video, error, { ...times, grace }, endedJobs))
        return lagging(error, video, missing.found)
      if (error._tag === "VideoNotFoundError") {
        const isOver = isGone(error) || (video.expiresAt !== null && video.expiresAt.epochMillis <= times.serverNow)
        return isOver || (addresses.length === 0 && isVideo)
          ? new Errors.VideoExpiredError({ operation: "downloadVideo", video, status: error.status, detail })
          : missing
      }
      if (addresses.length > 0 && isVideo) return missing
      return error._tag === "BadRequestError" ? new Errors.BadRequestError({ ...error, detail }) : error
    }

    /** The error if a URL in a completed job has no clip. */
    const missingAtUrl = (video: VideoResource, error: VideosHttpError, times: Times): Opened =>
      error._tag === "VideoNotFoundError"
        ? Effect.fail(missingContent(video, error, times))
        : error._tag === "ModerationBlockedError"
          ? asBadRequest(error)
          : Effect.fail(error)

    /** Opens the first source that has a clip. If none has, `otherwise` gets the first error, except that of a relative URL. */
    const fromSources = (
      [source, ...rest]: ReadonlyArray<ContentSource>,
      otherwise: (failure: VideosHttpError | null) => Opened,
      failure: VideosHttpError | null = null
    ): Opened => {
      if (source === undefined) return otherwise(failure)
      const isGuess = source._tag === "Url" && isRelative(source.url)
      const next = (error: VideosHttpError) => fromSources(rest, otherwise, failure ?? (isGuess ? null : error))
      const opened =
        source._tag === "Bytes" ? embeddedContent(call, source) : http.stream({ ...call, location: source.url })
      return opened.pipe(
        Effect.map((response) => inspectContent(call, response, true, (error) => withoutWait(next(error)))),
        Effect.catchAll(next)
      )
    }

    /** Polls the job; `serverNow` is the time of that response, if it has one. */
    const pollJob = Effect.suspend(() => {
      let date = Number.NaN
      const onResponse = ({ headers }: ResponseMeta) =>
        Effect.sync(() => {
          date = Date.parse(headers["date"] ?? "")
        })
      return Effect.all({
        polled: Effect.either(retrieveAs("downloadVideo", id, { ...pollOptionsOf(options), onResponse })),
        now: currentMonotonicMillis,
        serverNow: Effect.clockWith((clock) => (Number.isNaN(date) ? clock.currentTimeMillis : Effect.succeed(date)))
      })
    })

    /**
     * There are four reasons for missing content, and servers respond to them with 400, 404, 409, 410, 422 or 200. A poll of the
     * job shows which it is, and where else the content may be.
     */
    const recover = (error: NoContent): Opened => {
      const isPage = error._tag === "OperationUnsupportedError" && error.detail.startsWith("an HTML page")
      const isAboutRange = error._tag === "BadRequestError" && error.status === 416
      const isAboutServer = error._tag === "ServerError" && error.status !== 425
      if (isPage || isAboutRange || isAboutServer) return Effect.fail(error)
      return Effect.flatMap(pollJob, ({ now, polled, serverNow }): Opened => {
        // The replica that was polled may lag as much as the one that was asked for the content.
        const completedJob = endedJobs.findRecent(id, grace, now)
        if (polled._tag === "Left") {
          const refusal = polled.left
          const isForbidden = refusal._tag === "AuthenticationError" && refusal.reason === "forbidden"
          if (isForbidden && completedJob !== null) return Effect.fail(lagging(refusal, completedJob))
          if (refusal._tag !== "VideoNotFoundError" || error._tag === "OperationUnsupportedError")
            return Effect.fail(error)
          const isLagging = completedJob !== null && refusal.status === 404
          return Effect.fail(isLagging ? lagging(refusal, completedJob) : refusal)
        }
        const video = polled.right
        const fields = { operation: "downloadVideo", video } as const
        const phase = phaseOf(video)
        if (phase === "failed") return Effect.fail(new Errors.VideoFailedError(fields))
        if (phase !== "succeeded") {
          return Effect.fail(
            completedJob === null ? new Errors.VideoNotReadyError(fields) : lagging(error, completedJob)
          )
        }
        endedJobs.add(video, now)
        const times = { now, serverNow }
        return fromSources(isVideo ? [...sourcesOf(video), ...sourceIn(error)] : [], (failure) =>
          failure === null ? Effect.fail(missingContent(video, error, times)) : missingAtUrl(video, failure, times)
        )
      })
    }

    /** The clip's URL in an error message, if the dialect has a pattern for that. */
    const sourceIn = (error: NoContent): ReadonlyArray<ContentSource> => {
      const pattern = error._tag === "BadRequestError" ? policy.dialect.contentUrlPattern : undefined
      const url = pattern === undefined ? undefined : new RegExp(pattern.source, pattern.flags).exec(error.detail)?.[1]
      return url === undefined ? [] : [{ _tag: "Url", field: "detail", url }]
    }

    /** Opens the content route; if it has no content, the sources in the job. */
    const fromRoute: Opened = http.stream(call).pipe(
      Effect.map((response) =>
        inspectContent(call, response, isVideo, (error, isPage) =>
          // A page comes from something in between, which knows nothing of the job.
          isPage ? Effect.fail(error) : withoutWait(recover(error))
        )
      ),
      Effect.catchTags({
        ModerationBlockedError: asBadRequest,
        // A proxy may refuse a job that it has not recorded yet (LiteLLM), although this program has just seen its end.
        AuthenticationError: (error) =>
          Effect.flatMap(currentMonotonicMillis, (now) => {
            const video = error.reason === "forbidden" ? endedJobs.findRecent(id, grace, now) : null
            return Effect.fail(video === null ? error : lagging(error, video))
          }),
        VideoNotFoundError: recover,
        BadRequestError: recover,
        ConflictError: recover,
        ServerError: recover,
        OperationUnsupportedError: recover
      })
    )

    const snapshot = options?.snapshot?.id === id && isVideo ? options.snapshot : null
    // If the snapshot of a completed job has sources, they come first: its server may have no content route.
    return fromSources(snapshot === null ? [] : sourcesOf(snapshot), (failure) => {
      if (failure === null || snapshot === null) return fromRoute
      const failed = Effect.flatMap(currentMonotonicMillis, (now) =>
        missingAtUrl(snapshot, failure, { now, serverNow: now })
      )
      // The URL may have run out, and the job have another by now. A server without the route says nothing about the clip.
      return Effect.catchTag(fromRoute, "VideoNotFoundError", "OperationUnsupportedError", () => failed)
    })
  }

  return (id, options) =>
    Stream.unwrap(
      withSpan(
        retryWhileLagging(
          (given) => Effect.flatMap(routes.contentRequest(policy.dialect, id, given), (call) => open(call, id, given)),
          options,
          policy
        ),
        "Videos.content",
        () => spanOf("download_video", { "video.id": id })
      )
    )
}

/** Once the body is being read, nothing is retried. */
const withoutWait = (self: Opened): Effect.Effect<Bytes, DownloadVideoError> =>
  Effect.catchTag(self, "Lagging", ({ last }) => Effect.fail(last))

/** The call's own options for a poll of its job: once, and for JSON, whatever part of the content was wanted. */
const pollOptionsOf = (options: ContentOptions | undefined): CallOptions => ({
  timeout: options?.timeout,
  totalTimeout: options?.totalTimeout,
  singleAttempt: true,
  extraHeaders: Object.fromEntries(
    Object.entries(options?.extraHeaders ?? {}).filter(([name]) => !/^(range|if-range|accept.*)$/i.test(name))
  ),
  extraQuery: options?.extraQuery
})

/** The clip's own bytes in its job, decoded as they are read. */
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
  const stream = failIfTruncated(
    decodeBase64(base64, () => undecodable("it is not base64")),
    (why) => undecodable(`the clip is truncated: ${why}`)
  )
  // The download has only the length to go by: this content has no response.
  return Effect.as(call.options?.onResponse?.(meta) ?? Effect.void, { ...meta, route, redact: (text) => text, stream })
}
