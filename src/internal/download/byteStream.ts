/** Limits on the bytes of a download: size, and whether the clip is truncated. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { makeTruncationCheck } from "./containerCheck.js"

/** Fails before it emits more than `limit` bytes, and at the end of a whole clip whose container says that bytes are missing. */
export const withLimit = <E, E2, E3>(
  self: Stream.Stream<Uint8Array, E>,
  options: {
    readonly limit: number
    readonly onTooLong: () => E2
    /** Whether these are all bytes of the clip. */
    readonly isWhole: boolean
    readonly onTruncated: (detail: string) => E3
  }
): Stream.Stream<Uint8Array, E | E2 | E3> =>
  Stream.suspend(() => {
    const check = options.isWhole ? makeTruncationCheck() : null
    let received = 0
    const limited = Stream.mapChunksEffect(self, (chunks) => {
      for (const bytes of chunks) {
        check?.take(bytes, received)
        received += bytes.byteLength
      }
      return received > options.limit ? Effect.failSync(options.onTooLong) : Effect.succeed(chunks)
    })
    const end = Stream.suspend(() => {
      const detail = check?.missing(received) ?? null
      return detail === null ? Stream.empty : Stream.fail(options.onTruncated(detail))
    })
    return Stream.concat(limited, end)
  })
