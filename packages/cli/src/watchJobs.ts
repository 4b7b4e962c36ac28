/** What a command hears of its jobs: of one that it has just submitted, or of several that are there. */
import * as Stream from "effect/Stream"
import type { VideoResource } from "effect-videos/Schema"
import { VideoUpdate, type WatchOptions, type WatchVideoError, watchVideos } from "effect-videos/Stream"
import type { Videos } from "effect-videos/Videos"

/** News of a job, under the name that the command has for it. An error is news about that job, and ends no other's. */
export type JobUpdate<E> =
  | { readonly _tag: "Snapshot"; readonly key: string; readonly video: VideoResource }
  | { readonly _tag: "Lost"; readonly key: string; readonly error: E }

/** What a stream of one job's snapshots says, under a name. */
export const updatesOf = <E, R>(
  key: string,
  snapshots: Stream.Stream<VideoResource, E, R>
): Stream.Stream<JobUpdate<E>, never, R> =>
  snapshots.pipe(
    Stream.map((video): JobUpdate<E> => ({ _tag: "Snapshot", key, video })),
    Stream.catchAll((error) => Stream.make<[JobUpdate<E>]>({ _tag: "Lost", key, error }))
  )

export const watchJobs = (
  ids: ReadonlyArray<string>,
  options: WatchOptions
): Stream.Stream<JobUpdate<WatchVideoError>, never, Videos> =>
  Stream.map(
    watchVideos(ids, options),
    VideoUpdate.$match({
      VideoChanged: ({ id, video }): JobUpdate<WatchVideoError> => ({ _tag: "Snapshot", key: id, video }),
      VideoEnded: ({ id, video }): JobUpdate<WatchVideoError> => ({ _tag: "Snapshot", key: id, video }),
      VideoLost: ({ error, id }): JobUpdate<WatchVideoError> => ({ _tag: "Lost", key: id, error })
    })
  )
