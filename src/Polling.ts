/**
 * Schedules that decide when a watch polls a job again: their input is the snapshot of a poll. They compose with everything in
 * `effect/Schedule`, and a watch takes any other schedule over `VideoResource` as well.
 *
 * @example
 * import { Schedule } from "effect"
 * import { pollByProgress, watchVideo } from "effect-videos"
 *
 * // Every 15 seconds, and more often near the end.
 * const thrifty = watchVideo("video_1", {
 *   poll: Schedule.union(Schedule.spaced("15 seconds"), pollByProgress({ cap: "1 minute" }))
 * })
 *
 * @since 0.1.0
 */
export * from "./internal/watch/pollSchedules.js"
