/** Progress reports of a transfer, which does not wait for their handler. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { monotonicMillis } from "../monotonicClock.js"

/**
 * How far a transfer is.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransferProgress {
  /** Bytes of the whole that have been transferred, earlier ones that were resumed from included. */
  readonly transferred: number
  /** Length of the whole in bytes; `null` if it is not known. */
  readonly total: number | null
  /** Bytes that an earlier call had left, and that were not transferred again. 0 for an upload. */
  readonly resumedFrom: number
  /** `true` in the last one alone: the file is under its final name, or an upload's last byte has been handed over. */
  readonly done: boolean
}

/** Reports progress; never waits. */
export type Report = (progress: TransferProgress) => void

/**
 * Runs a handler in its own fiber with the newest report only, so that a slow handler neither gets stale reports nor delays the
 * transfer; `flush` waits until it has handled the last one.
 */
export const listen = (
  onProgress: (progress: TransferProgress) => Effect.Effect<void>,
  interval: Duration.DurationInput = "100 millis"
): Effect.Effect<{ readonly report: Report; readonly flush: Effect.Effect<void> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const mailbox = yield* Mailbox.make<TransferProgress>({ capacity: 1, strategy: "sliding" })
    const clock = yield* Effect.clock
    let last = Number.NEGATIVE_INFINITY
    let transferred = 0
    const report: Report = (progress) => {
      const now = monotonicMillis(clock)
      // Always reported: the first, the last, and a start-over.
      const isDue = progress.done || now - last >= Duration.toMillis(interval) || progress.transferred < transferred
      if (!isDue) return
      last = now
      transferred = progress.transferred
      mailbox.unsafeOffer(progress)
    }
    const fiber = yield* Effect.forkScoped(Stream.runForEach(Mailbox.toStream(mailbox), onProgress))
    return { report, flush: Effect.zipRight(mailbox.end, Fiber.join(fiber)) }
  })
