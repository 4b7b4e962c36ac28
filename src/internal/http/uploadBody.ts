/** A body on its way out: how far a transport has taken it is all that tells a slow upload from one that stands still. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { currentMonotonicMillis, monotonicMillis } from "../monotonicClock.js"

/** The times of one request with a body that is a stream. */
export interface Patience<E> {
  /** While the body goes out: for so long nothing of it may be taken. */
  readonly idle: Duration.Duration
  /** From its last byte on. */
  readonly answer: Duration.Duration
  readonly onTimeout: (option: "idleTimeout" | "requestTimeout") => E
}

/** Runs `send` with the body, counted; fails once it stands still, or its answer does not come. */
export const withPatience = <A, E>(
  body: HttpBody.Stream,
  { answer, idle, onTimeout }: Patience<E>,
  send: (body: HttpBody.HttpBody) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.clock, (clock) => {
    let movedAt = monotonicMillis(clock)
    let isSent = false
    const moved = () => {
      movedAt = monotonicMillis(clock)
    }
    const end = Effect.sync(() => {
      moved()
      isSent = true
    })
    const counted = body.stream.pipe(
      Stream.mapChunks((chunks) => {
        moved()
        return chunks
      }),
      Stream.concat(Stream.execute(end))
    )
    const watch: Effect.Effect<never, E> = Effect.flatMap(currentMonotonicMillis, (now) => {
      const left = Duration.toMillis(isSent ? answer : idle) - (now - movedAt)
      return left > 0
        ? // The last byte may go at any time, and the patience with the answer be less.
          Effect.zipRight(Effect.sleep(isSent ? left : Math.min(left, Duration.toMillis(answer))), watch)
        : Effect.failSync(() => onTimeout(isSent ? "requestTimeout" : "idleTimeout"))
    })
    return Effect.raceFirst(send(HttpBody.stream(counted, body.contentType, body.contentLength)), watch)
  })
