/**
 * The errors: one tag for each case that a program handles differently. All are `Schema.TaggedError`s:
 * yieldable, serializable, free of secrets. `isTransient` says whether another attempt may succeed.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { extendVideo } from "effect-videos"
 *
 * const program = extendVideo({ video: "video_1", prompt: "and then it rains", seconds: 8 }).pipe(
 *   Effect.catchTags({
 *     OperationUnsupportedError: (error) => Effect.logWarning(error.message),
 *     QuotaExceededError: () => Effect.logError("top up first")
 *   })
 * )
 *
 * @since 0.1.0
 */
export * from "./internal/errors/errors.js"
