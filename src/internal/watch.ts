/** One watch of one job: when to look, what to make of what is seen, when to stop. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Errors from "../Errors.js"
import { isSameSnapshot, isTerminal, phaseOf, type VideoPhase, type VideoResource } from "../Schema.js"
import type { RetrieveVideoError, VideosService } from "../Videos.js"
import { withDeadline } from "./deadline.js"
import { pollAfter } from "./failure.js"
import { nextDelay, type Stepper, stepper } from "./retry.js"

/** @internal */
export interface Plan {
  readonly operation: Errors.Operation
  readonly id: string
  /** What the caller has seen already: changes are told from here on, and it is not emitted again. */
  readonly snapshot: VideoResource | null
  /** The submission was answered just now: the first look waits, and a 404 may be a replica that lags. */
  readonly submitted: { readonly hint: Duration.Duration | null } | null
  readonly poll: Schedule.Schedule<unknown, VideoResource>
  /** Whether the server's hint may also shorten the schedule's delay. */
  readonly hintShortens: boolean
  readonly retry: Schedule.Schedule<unknown, RetrieveVideoError>
  readonly every: boolean
  readonly timeout: Duration.Duration | null
  readonly stallTimeout: Duration.Duration | null
  readonly maxRetryAfter: Duration.Duration
  readonly notFoundGrace: Duration.Duration
}

/** @internal */
export type WatchError = RetrieveVideoError | Errors.WatchTimeoutError | Errors.VideoStalledError

/** How long before its end a watch takes its last look, so that an answer at the last moment is not a time-out. */
const lastLookMargin = 500

/** A snapshot this young may belong to a job that replicas have not heard of. */
const freshMillis = 60_000

const rank: { readonly [phase in VideoPhase]: number } = { waiting: 0, running: 1, succeeded: 2, failed: 2 }

/** A job never goes from running back to waiting: such an answer comes from a replica that lags. */
const isStale = (last: VideoResource | null, next: VideoResource): boolean =>
  last !== null && rank[phaseOf(next)] < rank[phaseOf(last)]

/** The next update of the job at each run; fails with `None` once the job has ended. */
export const makeWatch = (
  videos: VideosService,
  plan: Plan
): Effect.Effect<Effect.Effect<VideoResource, Option.Option<WatchError>>> =>
  Effect.map(Clock.currentTimeMillis, (startedAt) => {
    const { id, operation, snapshot } = plan
    const deadline = plan.timeout === null ? Number.POSITIVE_INFINITY : startedAt + Duration.toMillis(plan.timeout)
    const margin = plan.timeout === null ? 0 : Math.min(lastLookMargin, Duration.toMillis(plan.timeout) / 10)
    const stallMillis = plan.stallTimeout === null ? Number.POSITIVE_INFINITY : Duration.toMillis(plan.stallTimeout)
    const fresh =
      plan.submitted !== null ||
      snapshot === null ||
      snapshot.createdAt === null ||
      startedAt - snapshot.createdAt.epochMillis < freshMillis
    const graceUntil = fresh ? startedAt + Duration.toMillis(plan.notFoundGrace) : startedAt

    const pollStep = stepper(plan.poll)
    let retryStep: Stepper<RetrieveVideoError> | null = null
    let last = snapshot
    let changedAt = startedAt
    let nextLookAt = startedAt
    // What the watch does when it is asked for more: go on, stop (the job has ended), or fail: at the deadline once the last
    // look has been taken, at once when the poll schedule has ended.
    let state: "watching" | "ended" | "last look" | "exhausted" = "watching"
    let hint = plan.submitted?.hint ?? null

    const look = videos.retrieve(id, {
      retry: false,
      onResponse: ({ headers, status }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          hint = status < 300 ? pollAfter(headers, now) : null
        })
    })

    const timedOut = (now: number): Errors.WatchTimeoutError =>
      new Errors.WatchTimeoutError({
        operation,
        videoId: id,
        lastSnapshot: last,
        elapsed: Duration.millis(now - startedAt)
      })

    const expire: Effect.Effect<never, Errors.WatchTimeoutError> = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (state === "last look" && now < deadline) yield* Effect.sleep(deadline - now)
      return yield* Effect.fail(timedOut(yield* Clock.currentTimeMillis))
    })

    /** Sets the time of the next look after a successful one, or ends the watch with its schedule. */
    const plot = (video: VideoResource): Effect.Effect<void> =>
      Effect.gen(function* () {
        const planned = yield* pollStep(video)
        const now = yield* Clock.currentTimeMillis
        if (planned === null) {
          state = "exhausted"
          return
        }
        const floor = hint === null ? 0 : Math.min(Duration.toMillis(hint), Duration.toMillis(plan.maxRetryAfter))
        const delay = hint !== null && plan.hintShortens ? floor : Math.max(planned, floor)
        nextLookAt = now + Math.max(floor, Math.min(delay, Math.max(0, changedAt + stallMillis - now)))
      })

    /** What a look saw: an update to emit, or nothing. */
    const digest = (video: VideoResource): Effect.Effect<Option.Option<VideoResource>, Errors.VideoStalledError> =>
      Effect.gen(function* () {
        retryStep = null
        const now = yield* Clock.currentTimeMillis
        const stale = isStale(last, video)
        const changed = !stale && (last === null || !isSameSnapshot(last, video))
        if (!stale) last = video
        if (changed) changedAt = now
        if (isTerminal(video)) {
          state = "ended"
          return Option.some(video)
        }
        if (!changed && last !== null && now - changedAt >= stallMillis) {
          return yield* Effect.fail(
            new Errors.VideoStalledError({
              operation,
              videoId: id,
              lastSnapshot: last,
              unchangedFor: Duration.millis(now - changedAt)
            })
          )
        }
        if (state === "watching") yield* plot(video)
        return changed || (plan.every && !stale) ? Option.some(video) : Option.none()
      })

    /** Sets the time of the next look after a failed one, or gives up. */
    const recover = (error: RetrieveVideoError): Effect.Effect<void, WatchError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const lagging = error._tag === "VideoNotFoundError" && now < graceUntil
        if (!error.isTransient && !lagging) return yield* Effect.fail(error)
        if (state !== "watching") return
        retryStep ??= stepper(plan.retry)
        const delay = yield* nextDelay(retryStep, error, plan.maxRetryAfter)
        if (delay === null) return yield* Effect.fail(error)
        nextLookAt = now + delay
      })

    const next: Effect.Effect<VideoResource, WatchError> = Effect.gen(function* () {
      while (true) {
        if (state === "last look" || state === "exhausted") return yield* expire
        const now = yield* Clock.currentTimeMillis
        const lastLookAt = deadline - margin
        if (Math.max(now, nextLookAt) >= lastLookAt) {
          nextLookAt = lastLookAt
          state = "last look"
        }
        if (nextLookAt > now) yield* Effect.sleep(nextLookAt - now)
        const seen = yield* Effect.either(
          Number.isFinite(deadline)
            ? withDeadline(look, Duration.millis(Math.max(deadline - Math.max(now, nextLookAt), margin)), () =>
                timedOut(deadline)
              )
            : look
        )
        if (Either.isRight(seen)) {
          const update = yield* digest(seen.right)
          if (Option.isSome(update)) return update.value
        } else if (seen.left._tag === "WatchTimeoutError") {
          return yield* Effect.fail(seen.left)
        } else {
          yield* recover(seen.left)
        }
      }
    })

    if (snapshot !== null && plan.submitted === null && isTerminal(snapshot)) {
      return Effect.suspend(() => {
        if (state === "ended") return Effect.fail(Option.none())
        state = "ended"
        return Effect.succeed(snapshot)
      })
    }
    const begin = snapshot !== null && plan.submitted !== null ? plot(snapshot) : Effect.void
    let begun = false
    return Effect.suspend((): Effect.Effect<VideoResource, Option.Option<WatchError>> => {
      if (state === "ended") return Effect.fail(Option.none())
      const update = Effect.mapError(next, Option.some)
      if (begun) return update
      begun = true
      return Effect.zipRight(begin, update)
    })
  })
