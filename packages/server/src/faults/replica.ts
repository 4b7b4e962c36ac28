/** The server as it was some time ago: what a replica that lags still answers. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Jobs, noSuchVideo } from "../Jobs.js"

/** Runs with a clock that is behind. Nothing sleeps longer or shorter by it. */
export const behind =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Clock.clockWith((clock) =>
      Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() - millis,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - millis),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos() - BigInt(Math.round(millis * 1e6)),
        currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now - BigInt(Math.round(millis * 1e6))),
        sleep: (duration) => clock.sleep(duration)
      })
    )

/** The jobs that had been made by the time of the `Clock`. */
export const asOfNow = (jobs: Jobs): Jobs => ({
  ...jobs,
  get: (id) =>
    Effect.flatMap(Effect.zip(jobs.get(id), Clock.currentTimeMillis), ([job, now]) =>
      job.createdAt > now ? Effect.fail(noSuchVideo(id)) : Effect.succeed(job)
    ),
  all: Effect.zipWith(jobs.all, Clock.currentTimeMillis, (all, now) => all.filter(({ createdAt }) => createdAt <= now))
})
