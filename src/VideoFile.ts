/**
 * A file to upload: a path, a stream or bytes, with the name and the media type that are sent. The first bytes decide the type.
 * A file is opened for each attempt and streamed; it is never read whole into memory.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { extendVideo, VideoFile } from "effect-videos"
 *
 * const program = Effect.gen(function*() {
 *   const video = yield* VideoFile.fromPath("clip.mp4")
 *   return yield* extendVideo({ video, prompt: "the camera pulls back", seconds: 8 })
 * })
 *
 * @since 0.1.0
 */
export * from "./internal/protocol/videoFile.js"
