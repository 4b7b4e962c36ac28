/** The bytes of a download, for as long as they come, and as many as anybody wants. */
import type * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withDeadline } from "../http/deadline.js"
import { makeGauge } from "./containerCheck.js"

/** Fails once the source has been waited for so long. Time that the consumer takes does not count. */
export const untilIdle = <A, E, E2>(
  self: Stream.Stream<A, E>,
  timeout: Duration.Duration,
  onIdle: () => E2
): Stream.Stream<A, E | E2> =>
  Stream.fromPull(
    Effect.map(Stream.toPull(self), (pull) => withDeadline(pull, timeout, () => Option.some<E | E2>(onIdle())))
  )

/**
 * Fails before it hands over more than `limit` bytes; and at the end of a whole clip, all of it handed over, where that is
 * cut short by the clip's own account.
 */
export const bounded = <E, E2, E3>(
  self: Stream.Stream<Uint8Array, E>,
  options: {
    readonly limit: number
    readonly onMore: () => E2
    /** Whether it begins at the beginning, and goes to the end. */
    readonly isWhole: boolean
    readonly onCut: (detail: string) => E3
  }
): Stream.Stream<Uint8Array, E | E2 | E3> =>
  Stream.suspend(() => {
    let left = options.limit
    const gauge = options.isWhole ? makeGauge() : null
    const taken = Stream.mapChunksEffect(
      self,
      (chunks: Chunk.Chunk<Uint8Array>): Effect.Effect<Chunk.Chunk<Uint8Array>, E2> => {
        for (const bytes of chunks) {
          left -= bytes.byteLength
          gauge?.take(bytes)
        }
        return left < 0 ? Effect.failSync(options.onMore) : Effect.succeed(chunks)
      }
    )
    if (gauge === null) return taken
    const end = Stream.suspend(() => {
      const detail = gauge.missing()
      return detail === null ? Stream.empty : Stream.fail(options.onCut(detail))
    })
    return Stream.concat(taken, end)
  })
