/** User program that is compiled against the tarball: correct requests compile, wrong ones do not. */
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

// @ts-expect-error: a length is a number.
export const wrong = extendVideo({ video: "video_1", prompt: "the light comes on", seconds: "8" })

export const watched: Stream.Stream<VideoResource, WatchVideoError, Videos> = watchVideo("video_1")
