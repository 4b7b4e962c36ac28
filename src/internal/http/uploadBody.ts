/** Timeouts of a request whose body is a stream: its progress tells a slow upload from one that has stopped. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { currentMonotonicMillis, monotonicMillis } from "../monotonicClock.js"

/** @internal */
export interface UploadTimeouts<E> {
  /** While the body is sent: the longest time without progress. */
  readonly idle: Duration.Duration
  /** From the body's last byte to the end of the response. */
  readonly response: Duration.Duration
  readonly onTimeout: (option: "idleTimeout" | "requestTimeout") => E
}

/** Runs `send` with the body; fails when the body makes no progress, or when the response does not end in time. */
export const withUploadTimeouts = <A, E>(
  body: HttpBody.Stream,
  { idle, onTimeout, response }: UploadTimeouts<E>,
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
