/** The bytes of a job, and why there are none. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type { CallOptions, VideosHttpError, VideosHttpService } from "../Http.js"
import { phaseOf, type VideoResource } from "../Schema.js"
import type { DownloadVideoError, VideosService } from "../Videos.js"
import { asBadRequest } from "./failure.js"
import * as routes from "./routes.js"
import { spanOf, withSpan } from "./tracing.js"

/** A look at a job on behalf of an operation, as `Videos` takes it. */
export type RetrieveAs = (
  operation: Errors.Operation,
  id: string,
  options?: CallOptions
) => Effect.Effect<VideoResource, Errors.InvalidRequestError | VideosHttpError>

/** @internal */
export const makeContent = (http: VideosHttpService, retrieveAs: RetrieveAs): VideosService["content"] => {
  /** "No content" has four reasons, and servers say them with 400, 404, 409, 410 or 422: the job itself knows. */
  const whyNoContent = (
    id: string,
    error: Errors.VideoNotFoundError | Errors.BadRequestError | Errors.ConflictError | Errors.ServerError
  ): Effect.Effect<never, DownloadVideoError> => {
    if (error._tag === "ServerError" && error.status !== 425) return Effect.fail(error)
    return Effect.matchEffect(retrieveAs("downloadVideo", id, { retry: false }), {
      onFailure: (failure) => Effect.fail(failure._tag === "VideoNotFoundError" ? failure : error),
      onSuccess: (video): Effect.Effect<never, DownloadVideoError> => {
        const fields = { operation: "downloadVideo", video } as const
        switch (phaseOf(video)) {
          case "waiting":
          case "running":
            return Effect.fail(new Errors.VideoNotReadyError(fields))
          case "failed":
            return Effect.fail(new Errors.VideoFailedError(fields))
          case "succeeded":
            return Effect.fail(error._tag === "VideoNotFoundError" ? new Errors.VideoExpiredError(fields) : error)
        }
      }
    })
  }

  return (id, options) =>
    Stream.unwrap(
      Effect.flatMap(routes.contentRequest(id, options), http.stream).pipe(
        Effect.map(({ stream }) => stream),
        Effect.catchTag("ModerationBlockedError", asBadRequest),
        Effect.catchTag("VideoNotFoundError", "BadRequestError", "ConflictError", "ServerError", (error) =>
          whyNoContent(id, error)
        ),
        (self) => withSpan(self, "Videos.content", () => spanOf("download_video", { "video.id": id }))
      )
    )
}
