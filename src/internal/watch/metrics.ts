/** What the hub counts, as Effect's metrics. */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const active = Metric.gauge("effect_videos_watches_active", { description: "Watches that are running" })
const polls = Metric.counter("effect_videos_polls_total", { description: "Single polls sent", incremental: true })
const listPolls = Metric.counter("effect_videos_list_polls_total", {
  description: "Pages of the list read for watches",
  incremental: true
})
const observations = Metric.counter("effect_videos_observations_total", {
  description: "Snapshots that watches received. Divided by both kinds of polls: the coalescing ratio",
  incremental: true
})
const retries = Metric.counter("effect_videos_watch_retries_total", {
  description: "Polls that failed with a transient error and are repeated",
  incremental: true
})
const lag = Metric.histogram(
  "effect_videos_watch_lag_seconds",
  MetricBoundaries.fromIterable([0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60]),
  "From a job's `completed_at` (the server's clock, often in whole seconds) to its watch's end"
)

let watches = 0

export const began = (): void => active.unsafeUpdate(++watches, [])
export const finished = (): void => active.unsafeUpdate(--watches, [])
export const polled = (): void => polls.unsafeUpdate(1, [])
export const listPolled = (): void => listPolls.unsafeUpdate(1, [])
export const observed = (): void => observations.unsafeUpdate(1, [])
export const retried = (): void => retries.unsafeUpdate(1, [])
export const lagged = (millis: number): void => lag.unsafeUpdate(Math.max(0, millis) / 1000, [])
