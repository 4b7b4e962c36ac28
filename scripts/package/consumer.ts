/** A program of a user's, to be compiled against the tarball: what it has is typed, and wrong requests are not. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import {
  type ExtendVideoError,
  extendVideo,
  type VideoResource,
  type Videos,
  type WatchVideoError,
  watchVideo
} from "effect-videos"

export const extended: Effect.Effect<VideoResource, ExtendVideoError, Videos> = extendVideo({
  video: "video_1",
  prompt: "the light comes on",
  seconds: 8
})

// @ts-expect-error: a length that the protocol does not know.
export const wrong = extendVideo({ video: "video_1", prompt: "the light comes on", seconds: 5 })

export const watched: Stream.Stream<VideoResource, WatchVideoError, Videos> = watchVideo("video_1")
