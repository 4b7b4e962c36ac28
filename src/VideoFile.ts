/**
 * A file to upload: a path, a stream or bytes, with the name and type that the server is told. The type is the one that
 * the first bytes show. A file is opened when it is sent, and anew for each try; it is never read whole into memory.
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
