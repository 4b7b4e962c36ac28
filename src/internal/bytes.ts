/** The bytes of a download, for as long as they come, and as many as anybody wants. */
import type * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withDeadline } from "./deadline.js"

/** Fails once the source has been waited for so long. Time that the consumer takes does not count. */
export const untilIdle = <A, E, E2>(
  self: Stream.Stream<A, E>,
  timeout: Duration.Duration,
  onIdle: () => E2
): Stream.Stream<A, E | E2> =>
  Stream.fromPull(
    Effect.map(Stream.toPull(self), (pull) => withDeadline(pull, timeout, () => Option.some<E | E2>(onIdle())))
  )

/** Fails before it hands over more than `limit` bytes. */
export const atMost = <E, E2>(
  self: Stream.Stream<Uint8Array, E>,
  limit: number,
  onMore: () => E2
): Stream.Stream<Uint8Array, E | E2> =>
  Stream.suspend(() => {
    let left = limit
    return Stream.mapChunksEffect(
      self,
      (chunks: Chunk.Chunk<Uint8Array>): Effect.Effect<Chunk.Chunk<Uint8Array>, E2> => {
        for (const bytes of chunks) left -= bytes.byteLength
        return left < 0 ? Effect.failSync(onMore) : Effect.succeed(chunks)
      }
    )
  })
