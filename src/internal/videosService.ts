/** The live `Videos`: each operation joins its request, the exchange and its response. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Policies } from "./config/policies.js"
import { makeContent } from "./download/content.js"
import { RecentJobs } from "./download/contentLag.js"
import * as Errors from "./errors/errors.js"
import { type Deadline, startDeadline } from "./http/deadline.js"
import type { CallOptions, VideosCall, VideosHttpError, VideosHttpService, VideosResponse } from "./http/httpTypes.js"
import { upload } from "./http/multipart.js"
import { formFields } from "./http/prepareRequest.js"
import { asBadRequest, hadNoEffect, leavesOpen } from "./http/responseError.js"
import { spanOf, withSpan } from "./http/spans.js"
import { currentMonotonicMillis, monotonicMillis } from "./monotonicClock.js"
import * as responses from "./protocol/decodeResponse.js"
import type { Dialect } from "./protocol/dialect.js"
import { fillFrom } from "./protocol/dialectResponse.js"
import * as wire from "./protocol/jsonReaders.js"
import { ListCursor } from "./protocol/listCursor.js"
import * as routes from "./protocol/readRequests.js"
import { dialectBody } from "./protocol/requestBody.js"
import type { CreateVideoRequest, EditVideoRequest, ExtendVideoRequest } from "./protocol/requestSchemas.js"
import * as submissions from "./protocol/submissionRequests.js"
import { isVideoFile } from "./protocol/videoFile.js"
import { phaseOf, type VideoResource } from "./protocol/videoSchemas.js"
import { dataUrlOf, resolveSource } from "./protocol/videoSource.js"
import { Claims } from "./reconcile/claims.js"
import type { ReadPage } from "./reconcile/readNewestJobs.js"
import { type IsThere, makeReconcile, type SubmitResponse } from "./reconcile/reconcileSubmission.js"
import type { CreateVideoError, SubmitVideoError, VideosService } from "./videosTypes.js"
import type { PageReads } from "./watch/poller.js"
import { makeHub } from "./watch/watchHub.js"
import { senderOf } from "./watch/watchOptions.js"

const traced =
  (name: string, operation: string, attributes: Record<string, unknown> = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    withSpan(self, name, () => spanOf(operation, attributes))

/** Page reads for watches: the request is made once, and a job that has not changed keeps its `known` value. */
const makePageReads =
  (http: VideosHttpService, dialect: Dialect): PageReads =>
  (options, known) =>
    Either.match(routes.listRequest(dialect, options, options), {
      onLeft: Effect.fail,
      onRight: (call) =>
        Effect.flatMap(http.execute(call), (response) =>
          responses.orUndecodable(call, response, responses.decodeList(response.body, dialect, known))
        ).pipe(
          Effect.catchTag("ModerationBlockedError", "VideoNotFoundError", asBadRequest),
          traced("Videos.list", "list_videos")
        )
    })

/** A submission's options for a read of its source. */
const sourceReadOptions = (options: CallOptions | undefined): CallOptions => ({
  ...senderOf(options),
  timeout: options?.timeout,
  singleAttempt: true
})

/** Bytes of a picture inside a body: the protocol's limit for an `image_url`. */
const maxPicture = 15 * 1024 * 1024

/** After this many milliseconds, every replica of a server has a submitted job. */
const recentMillis = 60_000

/** More jobs than end while one download waits. */
const maxEnded = 256

/** More jobs than run at once: until it ends, the responses of a job may leave out what its submission said. */
const maxSubmitted = 10_000

/** The operations and the watches over an HTTP layer. When the scope closes, watches and downloads are interrupted. */
export const makeVideos = (
  http: VideosHttpService,
  policies: Policies
): Effect.Effect<VideosService, never, Scope.Scope> => {
  const { dialect } = policies
  const claims = new Claims()
  const endedJobs = new RecentJobs(maxEnded)
  /** Jobs that were submitted here: a proxy may refuse a job with 403 until it has recorded it. */
  const submitted = new RecentJobs(maxSubmitted)

  /** What is known of a job that was submitted here, for the fields that its responses leave out. */
  const knownJob = (id: string) =>
    Effect.map(currentMonotonicMillis, (now) => submitted.findRecent(id, Number.POSITIVE_INFINITY, now))

  const decodePoll = (
    call: VideosCall,
    response: VideosResponse,
    id: string
  ): Effect.Effect<VideoResource, Errors.ResponseDecodeError> => {
    const video = responses.orUndecodable(call, response, responses.decodePoll(response.body, id, dialect))
    return dialect.response?.fromRequest === undefined
      ? video
      : Effect.zipWith(video, knownJob(id), (video, known) => fillFrom(video, known, dialect))
  }

  const retrieveAs = (operation: Errors.Operation, id: string, options?: CallOptions) =>
    Effect.flatMap(routes.retrieveRequest(dialect, operation, id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => decodePoll(call, response, id))
    )

  /** The response's headers name the job (xAI): a body that broke off is not needed. */
  const named = <E extends { readonly _tag: string }>(
    { operation, sending }: submissions.Submission["call"],
    exchange: Effect.Effect<VideosResponse, E>
  ): Effect.Effect<VideosResponse, E> => {
    const { idHeader } = policies.submission
    return Effect.catchAll(exchange, (error) => {
      const headers = sending.acceptedHeaders
      const id = idHeader === null ? undefined : headers?.[idHeader]
      const isLost = ["TransportError", "RequestTimeoutError", "ResponseDecodeError"].includes(error._tag)
      if (headers === undefined || id === undefined || !isLost) return Effect.fail(error)
      return Effect.logWarning("the body of a response was lost; its headers name the job").pipe(
        Effect.annotateLogs({ operation, videoId: id }),
        Effect.as({ status: 200, headers, requestId: id, body: { id } })
      )
    })
  }

  /** Sends a submission and decodes its response. A failure that may have made something is a `SubmissionUncertainError`. */
  const submit = <A, E extends Errors.UploadError>(
    { call, idempotencyKey }: submissions.Submission,
    exchange: Effect.Effect<VideosResponse, VideosHttpError | E>,
    decode: (call: VideosCall, response: VideosResponse) => Either.Either<A, Errors.ResponseDecodeError>
  ): Effect.Effect<A, SubmitVideoError | Errors.VideoNotFoundError | E> => {
    const uncertain = (reason: Errors.SubmissionUncertainError["reason"]) =>
      new Errors.SubmissionUncertainError({
        operation: call.operation,
        idempotencyKey,
        reason,
        candidates: [],
        ...(call.operation === "createCharacter"
          ? { detail: "Servers have no list of characters", hasList: false }
          : { detail: null })
      })
    return Effect.mapError(
      Effect.flatMap(named(call, exchange), (response) => decode(call, response)),
      (error) => {
        switch (error._tag) {
          case "ResponseDecodeError":
            return uncertain(error)
          case "RequestTimeoutError":
          case "TransportError":
          case "ServerError":
          case "BadRequestError":
          case "ConflictError":
            return hadNoEffect(error) ? error : uncertain(error)
          default:
            return error
        }
      }
    )
  }

  /** Settles a 404 that may mean the source or the route: if the source exists, the route is missing. */
  const settle = (error: Errors.VideoNotFoundError, { operation, options, request }: VideosCall, deadline: Deadline) =>
    Effect.flatMap(deadline.left, (totalTimeout) =>
      Effect.matchEffect(
        retrieveAs(operation, error.videoId, {
          ...sourceReadOptions(options),
          totalTimeout
        }),
        {
          onFailure: () => Effect.fail(error),
          onSuccess: () =>
            Effect.fail(new Errors.OperationUnsupportedError({ ...error, route: `${request.method} ${request.url}` }))
        }
      )
    )

  const send = ({ call, file }: submissions.Submission) =>
    Effect.suspend(() => {
      const { body, ...bare } = call
      return file === null
        ? http.execute(call)
        : http.upload(bare, upload(call.operation, formFields(dialectBody(body, dialect)), file.field, file.file))
    })

  /** One page without the jobs of earlier pages; the cursor of the next page, or the error that hides it. */
  const readPage = (
    after: string | undefined,
    cursor: ListCursor,
    options: Parameters<VideosService["listPages"]>[0]
  ) =>
    Effect.flatMap(routes.listRequest(dialect, { ...options, after }, options), (call) =>
      Effect.flatMap(http.execute(call), (response) =>
        Either.map(responses.orUndecodable(call, response, responses.decodeList(response.body, dialect)), (page) => {
          const { fresh, next } = cursor.take(page)
          return {
            page: { videos: fresh, hasMore: page.hasMore },
            next: next._tag === "After" ? Option.some(next.cursor) : Option.none<string>(),
            error: next._tag === "Stuck" ? responses.undecodable(call, response, next.detail) : null
          }
        })
      )
    ).pipe(Effect.catchTag("ModerationBlockedError", "VideoNotFoundError", asBadRequest))

  const isThere: IsThere = (id, options) =>
    retrieveAs("retrieveVideo", id, { ...senderOf(options), singleAttempt: true }).pipe(
      Effect.map((video) => phaseOf(video) !== "failed"),
      // Other errors say nothing about the job.
      Effect.catchAll((error) => Effect.succeed(error._tag !== "VideoNotFoundError"))
    )

  const readNewestPage: ReadPage = (after, cursor, options) =>
    Effect.map(readPage(after, cursor, options), ({ next, page }) => [page, next] as const)

  const policy = policies.submission
  const reconciled = makeReconcile(policy, claims, readNewestPage, isThere)

  /** The job in the response of a submission. */
  const decodeSubmission = (
    call: VideosCall,
    response: VideosResponse
  ): Either.Either<SubmitResponse, Errors.ResponseDecodeError> =>
    Either.map(
      responses.orUndecodable(call, response, responses.decodeSubmission(response.body, dialect)),
      (video) => ({
        video,
        toDecodeError: (detail) => responses.undecodable(call, response, detail)
      })
    )

  const recorded = <E>(
    { body, operation }: submissions.Submission["call"],
    job: Effect.Effect<VideoResource, E>
  ): Effect.Effect<VideoResource, E> =>
    Effect.flatMap(job, (decoded) =>
      Effect.clockWith((clock) => {
        const request = {
          model: wire.text(body.model),
          prompt: wire.text(body.prompt),
          size: wire.text(body.size),
          seconds: operation === "createVideo" ? wire.seconds(body.seconds) : null,
          createdAt: DateTime.unsafeMake(clock.unsafeCurrentTimeMillis())
        }
        const video = fillFrom(decoded, request, dialect)
        const now = monotonicMillis(clock)
        submitted.add(video, now)
        if (phaseOf(video) === "succeeded") endedJobs.add(video, now)
        return Effect.succeed(video)
      })
    )

  /** One deadline covers all requests of a submission, so no request has its own `totalTimeout`. */
  const submitJob = <E extends Errors.UploadError>(
    submission: submissions.Submission,
    exchange: (submission: submissions.Submission) => Effect.Effect<VideosResponse, VideosHttpError | E>
  ) => {
    const { call } = submission
    const given = call.options?.totalTimeout
    const total = given === undefined ? policy.totalTimeout : Duration.decode(given)
    const unbounded = {
      ...submission,
      call: { ...call, options: { ...call.options, totalTimeout: Duration.infinity } }
    }
    return Effect.flatMap(startDeadline(total), (deadline) =>
      reconciled(submission, deadline, submit(submission, exchange(unbounded), decodeSubmission)).pipe(
        Effect.catchTag("VideoNotFoundError", (error) =>
          leavesOpen(error) ? settle(error, call, deadline) : Effect.fail(error)
        ),
        (job) => recorded(call, job)
      )
    )
  }

  /** A picture as the dialect takes it. */
  const withPicture = (request: CreateVideoRequest): Effect.Effect<CreateVideoRequest, CreateVideoError> => {
    const { inputReference: picture } = request
    return dialect.files === "dataUrl" && isVideoFile(picture)
      ? Effect.map(dataUrlOf("createVideo", "inputReference", picture, maxPicture), (imageUrl) => ({
          ...request,
          inputReference: { imageUrl }
        }))
      : Effect.succeed(request)
  }

  /** A source as the dialect takes it. A dialect that does not derive clips reads no job to say so. */
  const withSource = <A extends ExtendVideoRequest | EditVideoRequest>(
    operation: "extendVideo" | "editVideo",
    request: A,
    options: CallOptions | undefined
  ) =>
    dialect.paths[operation] === null
      ? Effect.succeed(request)
      : resolveSource(dialect, operation, request, {
          known: knownJob,
          retrieve: (id) => retrieveAs(operation, id, sourceReadOptions(options))
        })

  const sendJob = (request: Effect.Effect<submissions.Submission, Errors.InvalidRequestError>) =>
    Effect.flatMap(request, (submission) => submitJob(submission, send))

  const create: VideosService["create"] = (request, options) =>
    Effect.flatMap(withPicture(request), (given) => sendJob(submissions.createRequest(dialect, given, options))).pipe(
      Effect.catchTag("VideoNotFoundError", asBadRequest),
      traced("Videos.create", "create_video", { "gen_ai.request.model": request.model })
    )

  const extend: VideosService["extend"] = (request, options) =>
    Effect.flatMap(withSource("extendVideo", request, options), (given) =>
      sendJob(submissions.extendRequest(dialect, given, options))
    ).pipe(traced("Videos.extend", "extend_video", { "video.extension.seconds": request.seconds }))

  const edit: VideosService["edit"] = (request, options) =>
    Effect.flatMap(withSource("editVideo", request, options), (given) =>
      sendJob(submissions.editRequest(dialect, given, options))
    ).pipe(traced("Videos.edit", "edit_video"))

  const remix: VideosService["remix"] = (request, options) =>
    Effect.flatMap(submissions.remixRequest(dialect, request, options), (submission) =>
      submitJob<never>(submission, ({ call }) => http.execute(call))
    ).pipe(traced("Videos.remix", "remix_video"))

  const readCharacter = (call: VideosCall, response: VideosResponse) =>
    responses.orUndecodable(call, response, responses.decodeCharacter(response.body))

  const createCharacter: VideosService["createCharacter"] = (request, options) =>
    Effect.flatMap(submissions.characterRequest(dialect, request, options), (submission) =>
      submit(submission, send(submission), readCharacter)
    ).pipe(Effect.catchTag("VideoNotFoundError", asBadRequest), traced("Videos.createCharacter", "create_character"))

  const retrieveCharacter: VideosService["retrieveCharacter"] = (id, options) =>
    Effect.flatMap(routes.characterRequest(dialect, "retrieveCharacter", id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => readCharacter(call, response))
    ).pipe(
      Effect.catchTags({
        ModerationBlockedError: asBadRequest,
        VideoNotFoundError: (error) => Effect.fail(new Errors.CharacterNotFoundError({ ...error, characterId: id }))
      }),
      traced("Videos.retrieveCharacter", "retrieve_character")
    )

  /** Remembers a completed job: it has content, even if a stale replica denies it a moment later. */
  const recordEnd = (video: VideoResource): Effect.Effect<VideoResource> =>
    phaseOf(video) === "succeeded"
      ? Effect.map(currentMonotonicMillis, (now) => {
          endedJobs.add(video, now)
          return video
        })
      : Effect.succeed(video)

  const retrieve: VideosService["retrieve"] = (id, options) =>
    Effect.suspend(() => retrieveAs("retrieveVideo", id, options)).pipe(
      Effect.catchTag("ModerationBlockedError", asBadRequest),
      Effect.flatMap(recordEnd),
      traced("Videos.retrieve", "retrieve_video", { "video.id": id })
    )

  const remove: VideosService["delete"] = (id, options) =>
    Effect.flatMap(routes.deleteRequest(dialect, "deleteVideo", id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => {
        claims.forget(id)
        endedJobs.forget(id)
        submitted.forget(id)
        return responses.orUndecodable(call, response, responses.decodeDeletion(response.body, id, dialect))
      })
    ).pipe(
      Effect.catchTag("ModerationBlockedError", asBadRequest),
      traced("Videos.delete", "delete_video", { "video.id": id })
    )

  const listPages: VideosService["listPages"] = (options) =>
    Stream.suspend(() => {
      const cursor = new ListCursor(options?.after)
      // An error of the next cursor fails the stream after the page before it was emitted.
      return Stream.paginateEffect(options?.after as string | undefined | Errors.ResponseDecodeError, (from) =>
        from instanceof Errors.ResponseDecodeError
          ? Effect.fail(from)
          : Effect.map(
              traced("Videos.list", "list_videos")(readPage(from, cursor, options)),
              ({ error, next, page }) => [page, error === null ? next : Option.some(error)] as const
            )
      )
    }).pipe(Stream.filter(({ videos }) => videos.length > 0))

  const content = makeContent(http, retrieveAs, endedJobs, policies.download)

  const hub = makeHub({
    watching: policies.watching,
    submission: policies.submission,
    dialect,
    // `Layer.mock` returns a function for a name that is not given.
    budget: typeof http.budget === "object" ? http.budget.snapshot : undefined,
    pages: makePageReads(http, dialect),
    listPages,
    wasSubmitted: (id, now) => submitted.findRecent(id, recentMillis, now) !== null
  })
  return Effect.map(hub, (state) => ({
    create,
    extend,
    edit,
    remix,
    createCharacter,
    retrieveCharacter,
    retrieve,
    listPages,
    delete: remove,
    content: (id, options) => state.untilClosed(content(id, options)),
    state
  }))
}
