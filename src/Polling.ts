/**
 * When to look at a job again, as values: schedules that take what a look saw and give the delay until the next one. They
 * compose with everything in `effect/Schedule`, and any other schedule over `VideoResource` may stand in their place.
 *
 * @example
 * import { Schedule } from "effect"
 * import { adaptivePoll, pollByProgress, watchVideo } from "effect-videos"
 *
 * // As the default, but for an hour at most.
 * const patient = watchVideo("video_1", { poll: adaptivePoll({ cap: "30 seconds" }).pipe(Schedule.upTo("1 hour")) })
 *
 * // Every 15 seconds, and more often near the end.
 * const thrifty = watchVideo("video_1", {
 *   poll: Schedule.union(Schedule.spaced("15 seconds"), pollByProgress({ cap: "1 minute" }))
 * })
 *
 * @since 0.1.0
 */
export * from "./internal/watch/pollSchedules.js"
