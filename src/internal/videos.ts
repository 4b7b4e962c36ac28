/** The live `Videos`: each operation joins its request, the exchange and its response. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type {
  CallOptions,
  SubmissionPolicy,
  VideosCall,
  VideosHttpError,
  VideosHttpService,
  VideosResponse
} from "../Http.js"
import { phaseOf, type VideoPage, type VideoResource } from "../Schema.js"
import type { ListVideosError, RetrieveVideoError, SubmitVideoError, VideosService } from "../Videos.js"
import { makeContent } from "./content.js"
import { Ends } from "./contentLag.js"
import { formFields } from "./encode.js"
import { asBadRequest, leavesOpen, mayHaveMadeAJob } from "./failure.js"
import { currentMonotonicMillis } from "./monotonic.js"
import { upload } from "./multipart.js"
import { type Answered, makeReconcile } from "./reconcile.js"
import { Claims } from "./reconcileClaims.js"
import * as responses from "./responses.js"
import * as routes from "./routes.js"
import * as submissions from "./submissions.js"
import { spanOf, withSpan } from "./tracing.js"
import type { PageReads } from "./watchReads.js"

/** What a layer that says nothing does with a submission whose outcome is unknown. */
const noPolicy: SubmissionPolicy = { onUnknownOutcome: "fail", listLag: Duration.zero, listTrusted: false }

/**
 * Pages for watches, which read the same ones time after time: the request is made once, and what a page says again of a job
 * is what was `known` of it.
 */
export const makePageReads =
  (http: VideosHttpService): PageReads =>
  (options, known) =>
    Either.match(routes.listRequest(options, options), {
      onLeft: Effect.fail,
      onRight: (call) =>
        Effect.flatMap(http.execute(call), (response) => responses.listResponse(call, response, known)).pipe(
          Effect.catchTag("ModerationBlockedError", "VideoNotFoundError", asBadRequest),
          (self) => withSpan(self, "Videos.list", () => spanOf("list_videos", {}))
        )
    })

/** A mock of the HTTP layer answers any name with a function that dies. */
export const isGiven = <A extends object>(options: A | undefined): options is A => typeof options === "object"

/** @internal */
export const makeVideos = (http: VideosHttpService): VideosService => {
  const claims = new Claims()
  const ends = new Ends()

  const retrieveAs = (operation: Errors.Operation, id: string, options?: CallOptions) =>
    Effect.flatMap(routes.retrieveRequest(operation, id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => responses.retrieveResponse(call, response, id))
    )

  /** Sends a submission and decodes its answer; a failure that may have made something says so. */
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
        detail: call.operation === "createCharacter" ? "servers have no list of characters" : null
      })
    return Effect.flatMap(exchange, (response) => decode(call, response)).pipe(
      Effect.mapError((error) => {
        if (error._tag === "RequestTimeoutError" || error._tag === "ResponseDecodeError") return uncertain(error)
        return (error._tag === "TransportError" || error._tag === "ServerError") && mayHaveMadeAJob(error)
          ? uncertain(error)
          : error
      }),
      Effect.catchTag("VideoNotFoundError", (error) => (leavesOpen(error) ? settle(error, call) : Effect.fail(error)))
    )
  }

  /** A 404 that may mean the source or the route: if the source is there, the route is what is missing. */
  const settle = (error: Errors.VideoNotFoundError, { operation, request }: VideosCall) =>
    Effect.matchEffect(retrieveAs(operation, error.videoId, { retry: false }), {
      onFailure: () => Effect.fail(error),
      onSuccess: () =>
        Effect.fail(new Errors.OperationUnsupportedError({ ...error, route: `${request.method} ${request.url}` }))
    })

  const send = ({ call, file }: submissions.Submission) =>
    Effect.suspend(() => {
      const { body, ...bare } = call
      return file === null
        ? http.execute(call)
        : http.upload(bare, upload(call.operation, formFields(body), file.field, file.file))
    })

  /** One page, less the jobs that were seen before, and where the next one begins. */
  const readPage = (
    after: string | undefined,
    seen: Set<string>,
    options: Parameters<VideosService["listPages"]>[0]
  ): Effect.Effect<readonly [VideoPage, Option.Option<string>], ListVideosError> =>
    Effect.flatMap(routes.listRequest({ ...options, after }, options), (call) =>
      Effect.flatMap(http.execute(call), (response) =>
        Effect.flatMap(responses.listResponse(call, response), (page) => {
          // One page may show a job twice, too.
          const fresh = page.videos.filter(({ id }) => !seen.has(id) && seen.add(id))
          // TeleFuser says that there is more and then has nothing; SGLang says nothing and answers everything again.
          if (fresh.length > 0 || page.videos.length === 0 || page.hasMore !== true) {
            const last = fresh.length === 0 || page.hasMore === false ? undefined : page.videos.at(-1)?.id
            return Effect.succeed([{ ...page, videos: fresh }, Option.fromNullable(last)] as const)
          }
          const detail = `the same page again after ${seen.size} jobs, and it says that there is more: the server ignores \`after\``
          return Effect.fail(responses.undecodable(call, response, detail))
        })
      )
    ).pipe(Effect.catchTag("ModerationBlockedError", "VideoNotFoundError", asBadRequest))

  const reconciled = makeReconcile(isGiven(http.submitting) ? http.submitting : noPolicy, claims, readPage)

  /** The job that was made, as its answer names it. */
  const answered = (call: VideosCall, response: VideosResponse): Either.Either<Answered, Errors.ResponseDecodeError> =>
    Either.map(responses.submitResponse(call, response), (video) => ({
      video,
      doubt: (detail) => responses.undecodable(call, response, detail)
    }))

  const submitJob = (submission: submissions.Submission) =>
    reconciled(submission, submit(submission, send(submission), answered))

  const create: VideosService["create"] = (request, options) =>
    Effect.flatMap(submissions.createRequest(request, options), submitJob).pipe(
      Effect.catchTag("VideoNotFoundError", asBadRequest),
      (self) => withSpan(self, "Videos.create", () => spanOf("create_video", { "gen_ai.request.model": request.model }))
    )

  const extend: VideosService["extend"] = (request, options) =>
    withSpan(Effect.flatMap(submissions.extendRequest(request, options), submitJob), "Videos.extend", () =>
      spanOf("extend_video", { "video.extension.seconds": request.seconds })
    )

  const edit: VideosService["edit"] = (request, options) =>
    withSpan(Effect.flatMap(submissions.editRequest(request, options), submitJob), "Videos.edit", () =>
      spanOf("edit_video", {})
    )

  const remix: VideosService["remix"] = (request, options) =>
    withSpan(
      Effect.flatMap(submissions.remixRequest(request, options), (submission) =>
        reconciled(submission, submit<Answered, never>(submission, http.execute(submission.call), answered))
      ),
      "Videos.remix",
      () => spanOf("remix_video", {})
    )

  const createCharacter: VideosService["createCharacter"] = (request, options) =>
    Effect.flatMap(submissions.characterRequest(request, options), (submission) =>
      submit(submission, send(submission), responses.characterResponse)
    ).pipe(Effect.catchTag("VideoNotFoundError", asBadRequest), (self) =>
      withSpan(self, "Videos.createCharacter", () => spanOf("create_character", {}))
    )

  const retrieveCharacter: VideosService["retrieveCharacter"] = (id, options) =>
    Effect.flatMap(routes.characterRequest(id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => responses.characterResponse(call, response))
    ).pipe(
      Effect.catchTags({
        ModerationBlockedError: asBadRequest,
        VideoNotFoundError: (error) => Effect.fail(new Errors.CharacterNotFoundError({ ...error, characterId: id }))
      }),
      (self) => withSpan(self, "Videos.retrieveCharacter", () => spanOf("retrieve_character", {}))
    )

  /** A job that has been seen to end has content, whatever a replica says a moment later. */
  const noted = (video: VideoResource): Effect.Effect<VideoResource> =>
    Effect.map(currentMonotonicMillis, (now) => {
      ends.saw(video, now)
      return video
    })

  // Watches do this by the thousand: one frame for all that follows the exchange.
  const look = (call: VideosCall, id: string) =>
    Effect.matchEffect(http.execute(call), {
      onFailure: (error) => (error._tag === "ModerationBlockedError" ? asBadRequest(error) : Effect.fail(error)),
      onSuccess: (response): Effect.Effect<VideoResource, Errors.ResponseDecodeError> => {
        const video = responses.retrieveResponse(call, response, id)
        return Either.isRight(video) && phaseOf(video.right) === "succeeded" ? noted(video.right) : video
      }
    })

  const retrieve: VideosService["retrieve"] = (id, options) =>
    withSpan(
      Effect.suspend((): Effect.Effect<VideoResource, RetrieveVideoError> => {
        const call = routes.retrieveRequest("retrieveVideo", id, options)
        return Either.isLeft(call) ? Effect.fail(call.left) : look(call.right, id)
      }),
      "Videos.retrieve",
      () => spanOf("retrieve_video", { "video.id": id })
    )

  const remove: VideosService["delete"] = (id, options) =>
    Effect.flatMap(routes.deleteRequest(id, options), (call) =>
      Effect.flatMap(http.execute(call), (response) => {
        claims.forget(id)
        ends.forget(id)
        return responses.deleteResponse(call, response, id)
      })
    ).pipe(Effect.catchTag("ModerationBlockedError", asBadRequest), (self) =>
      withSpan(self, "Videos.delete", () => spanOf("delete_video", { "video.id": id }))
    )

  const listPages: VideosService["listPages"] = (options) =>
    Stream.suspend(() => {
      const seen = new Set<string>()
      return Stream.paginateEffect(options?.after, (after) =>
        withSpan(readPage(after, seen, options), "Videos.list", () => spanOf("list_videos", {}))
      )
    }).pipe(Stream.filter(({ videos }) => videos.length > 0))

  return {
    create,
    extend,
    edit,
    remix,
    createCharacter,
    retrieveCharacter,
    retrieve,
    listPages,
    delete: remove,
    content: makeContent(http, retrieveAs, ends, isGiven(http.downloading) ? http.downloading : null)
  }
}
