/** Limits on the bytes of a download: size, and whether the clip is truncated. */
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { makeTruncationCheck } from "./containerCheck.js"

/** Fails before it emits more than `limit` bytes, and at the end of a whole clip whose container says that bytes are missing. */
export const withLimit = <E, E2, E3>(
  self: Stream.Stream<Uint8Array, E>,
  options: {
    readonly limit: number
    readonly onTooLong: () => E2
    /** Whether it begins at the beginning, and goes to the end. */
    readonly isWhole: boolean
    readonly onTruncated: (detail: string) => E3
  }
): Stream.Stream<Uint8Array, E | E2 | E3> =>
  Stream.suspend(() => {
    let left = options.limit
    const truncation = options.isWhole ? makeTruncationCheck() : null
    const limited = Stream.mapChunksEffect(
      self,
      (chunks: Chunk.Chunk<Uint8Array>): Effect.Effect<Chunk.Chunk<Uint8Array>, E2> => {
        for (const bytes of chunks) {
          left -= bytes.byteLength
          truncation?.take(bytes)
        }
        return left < 0 ? Effect.failSync(options.onTooLong) : Effect.succeed(chunks)
      }
    )
    if (truncation === null) return limited
    const end = Stream.suspend(() => {
      const detail = truncation.missing()
      return detail === null ? Stream.empty : Stream.fail(options.onTruncated(detail))
    })
    return Stream.concat(limited, end)
  })
