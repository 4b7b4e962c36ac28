/** Imitates a lagging replica: the state of the server some time ago. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Jobs, noSuchVideo } from "../Jobs.js"

/** Runs an effect with a clock that is behind. Sleeps keep their length. */
export const withClockBehind =
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

/** Hides the jobs that were made after the time of the `Clock`. */
export const jobsAsOfNow = (jobs: Jobs): Jobs => ({
  ...jobs,
  get: (id) =>
    Effect.flatMap(Effect.zip(jobs.get(id), Clock.currentTimeMillis), ([job, now]) =>
      job.createdAt > now ? Effect.fail(noSuchVideo(id)) : Effect.succeed(job)
    ),
  all: Effect.zipWith(jobs.all, Clock.currentTimeMillis, (all, now) => all.filter(({ createdAt }) => createdAt <= now))
})
