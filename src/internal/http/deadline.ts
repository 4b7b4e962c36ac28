/** Timeouts and deadlines. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import { currentMonotonicMillis, maxTimer, monotonicMillis } from "../monotonicClock.js"

const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

const noTimer = (): void => {}

/** Runs `onEnd` after a duration by the clock; returns a function that cancels it. */
const startTimer = (clock: Clock.Clock, duration: Duration.Duration, onEnd: () => void): (() => void) => {
  if (!Duration.isFinite(duration)) return noTimer
  const millis = Duration.toMillis(duration)
  if (clock === liveClock) {
    if (millis > maxTimer) return noTimer
    const timer = setTimeout(onEnd, millis)
    return () => clearTimeout(timer)
  }
  const sleeping = Effect.runFork(Effect.zipRight(clock.sleep(duration), Effect.sync(onEnd)))
  return () => sleeping.unsafeInterruptAsFork(FiberId.none)
}

/**
 * `Effect.async` with a timeout. `register` returns a function that aborts the work; it runs on timeout and on interruption.
 *
 * Why not `Effect.timeout`: its two fibers cost a `retrieveVideo` 50 µs of CPU, this timer 2 µs. What a call may cost beside bare
 * `fetch` and bare undici is a measured promise (`npm run bench -- retrieve`).
 */
export const asyncWithTimeout = <A, E>(
  timeout: Duration.Duration,
  register: (resume: (result: Effect.Effect<A, E>) => void) => () => void
): Effect.Effect<A, E | Cause.TimeoutException> =>
  Effect.clockWith((clock) =>
    Effect.async<A, E | Cause.TimeoutException>((resume) => {
      let isOver = false
      let cancelTimer = noTimer
      const abort = register((result) => {
        isOver = true
        cancelTimer()
        resume(result)
      })
      // The work may end while it is registered: then no timer may keep the process alive.
      if (!isOver) {
        cancelTimer = startTimer(clock, timeout, () => {
          // First: an aborted request may fail at once.
          resume(Effect.fail(new Cause.TimeoutException()))
          abort()
        })
      }
      return Effect.sync(() => {
        cancelTimer()
        abort()
      })
    })
  )

/** `Effect.timeoutFail`, and `self` as it is if the duration is infinite. */
export const withTimeout = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  Duration.isFinite(duration) ? Effect.timeoutFail(self, { duration, onTimeout }) : self

/** The end of something that takes several steps. */
export interface Deadline {
  readonly duration: Duration.Duration
  /** The time until then: the timeout of a step that begins now. */
  readonly left: Effect.Effect<Duration.Duration>
}

/** A deadline `duration` from now. A clock that is set back does not move it. */
export const startDeadline = (duration: Duration.Duration): Effect.Effect<Deadline> =>
  Duration.isFinite(duration)
    ? Effect.map(Clock.currentTimeNanos, (start) => ({
        duration,
        left: Effect.map(Clock.currentTimeNanos, (now) => Duration.subtract(duration, Duration.nanos(now - start)))
      }))
    : Effect.succeed({ duration, left: Effect.succeed(duration) })

/** Runs `send` with the body; fails if the body makes no progress, or if the response does not end in time. */
export const withUploadTimeouts = <A, E>(
  body: HttpBody.Stream,
  {
    idle,
    onTimeout,
    response
  }: {
    /** While the body is sent: the longest time without progress. */
    readonly idle: Duration.Duration
    /** From the body's last byte to the end of the response. */
    readonly response: Duration.Duration
    readonly onTimeout: (option: "idleTimeout" | "requestTimeout") => E
  },
  send: (body: HttpBody.HttpBody) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.clock, (clock) => {
    let progressAt = monotonicMillis(clock)
    let isSent = false
    const progress = () => {
      progressAt = monotonicMillis(clock)
    }
    const end = Effect.sync(() => {
      progress()
      isSent = true
    })
    const counted = body.stream.pipe(
      Stream.mapChunks((chunks) => {
        progress()
        return chunks
      }),
      Stream.concat(Stream.execute(end))
    )
    const watch: Effect.Effect<never, E> = Effect.flatMap(currentMonotonicMillis, (now) => {
      const left = Duration.toMillis(isSent ? response : idle) - (now - progressAt)
      return left > 0
        ? // The last byte may be sent at any time, and the timeout of the response may be the shorter one.
          Effect.zipRight(Effect.sleep(isSent ? left : Math.min(left, Duration.toMillis(response))), watch)
        : Effect.failSync(() => onTimeout(isSent ? "requestTimeout" : "idleTimeout"))
    })
    return Effect.raceFirst(send(HttpBody.stream(counted, body.contentType, body.contentLength)), watch)
  })
