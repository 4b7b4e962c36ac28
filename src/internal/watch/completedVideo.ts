/** The end of a job: its clip, or the reason why it has none. */
import * as Either from "effect/Either"
import { VideoFailedError } from "../errors/errors.js"
import { phaseOf, type VideoResource } from "../protocol/videoSchemas.js"

/** The job, or why it has no clip. */
export const completed = (video: VideoResource): Either.Either<VideoResource, VideoFailedError> =>
  phaseOf(video) === "failed"
    ? Either.left(new VideoFailedError({ operation: "awaitVideo", video }))
    : Either.right(video)
