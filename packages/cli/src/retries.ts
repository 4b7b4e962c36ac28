/** Retries of requests, reported with their reason and delay. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { type Reason, retrying } from "./progress.js"
import type { ActivityListener, SessionService } from "./session.js"
import { withoutOperation } from "./text.js"

/** The delay that the server asks for. */
const retryAfterOf = (error: unknown): Duration.Duration =>
  Predicate.hasProperty(error, "retryAfter") && Duration.isDuration(error.retryAfter) ? error.retryAfter : Duration.zero

/** Reports each retry of a schedule. The library waits for the schedule or for `Retry-After`, whichever is longer. */
export const reportingRetries = <E>(
  schedule: Schedule.Schedule<unknown, E>,
  { report }: SessionService
): Schedule.Schedule<unknown, E> =>
  Schedule.modifyDelayEffect(Schedule.passthrough(schedule), (error, delay) =>
    Effect.as(
      report({ _tag: "Retrying", error, delayMillis: Duration.toMillis(Duration.max(delay, retryAfterOf(error))) }),
      delay
    )
  )

/** Why a request failed, without the name of its operation. */
export const messageOf = (error: unknown): string =>
  withoutOperation(Predicate.hasProperty(error, "message") ? String(error.message) : String(error))

const shortReasons: { readonly [tag: string]: string } = {
  RateLimitedError: "limited",
  TransportError: "connection failed",
  UnreachableError: "no server",
  RequestTimeoutError: "timeout",
  ResponseDecodeError: "not JSON"
}

export const reasonOf = (error: unknown): Reason => {
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""
  const status = Predicate.hasProperty(error, "status") ? `HTTP ${error.status}` : "failed"
  return { full: messageOf(error), short: shortReasons[tag] ?? status }
}

/** Writes each retry as a line, its reason once: for a command without rows. */
export const retryLines = (write: (text: string) => Effect.Effect<void>): ActivityListener => {
  let before = ""
  return (activity) => {
    if (activity._tag !== "Retrying") return Effect.void
    const { full, short } = reasonOf(activity.error)
    const reason = full === before ? short : full
    before = full
    return write(`${retrying(reason, Math.ceil(activity.delayMillis / 1000))}\n`)
  }
}
