/** An open `name.part`: bytes gather in one buffer while another is being written, so that neither waits for the other. */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** A system call costs about as much for 1 MiB as for the 64 KiB that a socket brings. */
const blockSize = 1024 * 1024

/** @internal */
export interface Part {
  /** Bytes before the position that are in the file, once `flush` has run. */
  readonly position: () => number
  /** Goes on at a position, with what comes after it cut off. */
  readonly rewind: (position: number) => Effect.Effect<void, PlatformError>
  /** Takes bytes, and waits only while both buffers are full. The bytes may be reused at once. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, PlatformError>
  /** Returns once everything taken is in the file, or has failed to be. Cannot be interrupted. */
  readonly flush: Effect.Effect<void, PlatformError>
  /** `flush`, and to the disk. The file's length. */
  readonly sync: Effect.Effect<number, PlatformError>
}

/** @internal */
export const makePart = (file: FileSystem.File): Part => {
  let gathering: Uint8Array = new Uint8Array(blockSize)
  let spare: Uint8Array | null = null
  let filled = 0
  let position = 0
  let writing: Fiber.RuntimeFiber<void, PlatformError> | null = null
  /** After a write that failed there is a gap: nothing more may be written behind it. */
  let broken = false

  const settled = Effect.suspend(() => (writing === null ? Effect.void : Fiber.join(writing)))

  /** Sends what has been gathered on its way. A write that is given up would go on behind the file's closing: none is. */
  const turn: Effect.Effect<void, PlatformError> = Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      restore(settled),
      Effect.suspend(() => {
        if (filled === 0 || broken) return Effect.void
        const block = gathering
        const length = filled
        gathering = spare ?? new Uint8Array(blockSize)
        spare = null
        filled = 0
        return Effect.map(
          Effect.forkDaemon(
            Effect.matchCauseEffect(file.writeAll(block.subarray(0, length)), {
              onFailure: (cause) => {
                broken = true
                return Effect.failCause(cause)
              },
              onSuccess: () => {
                position += length
                spare = block
                return Effect.void
              }
            })
          ),
          (fiber) => {
            writing = fiber
          }
        )
      })
    )
  )

  const write = (bytes: Uint8Array): Effect.Effect<void, PlatformError> => {
    const room = blockSize - filled
    if (bytes.byteLength < room) {
      gathering.set(bytes, filled)
      filled += bytes.byteLength
      return Effect.void
    }
    gathering.set(bytes.subarray(0, room), filled)
    filled = blockSize
    return Effect.flatMap(turn, () => write(bytes.subarray(room)))
  }

  const flush = Effect.uninterruptible(Effect.zipRight(turn, settled))

  return {
    position: () => position,
    rewind: (to) =>
      Effect.zipRight(
        flush,
        Effect.flatMap(file.truncate(to), () =>
          Effect.map(file.seek(to, "start"), () => {
            position = to
          })
        )
      ),
    write,
    flush,
    sync: Effect.zipRight(flush, synced(file))
  }
}

/** To the disk; the file's length. */
export const synced = (file: FileSystem.File): Effect.Effect<number, PlatformError> =>
  Effect.zipRight(
    file.sync,
    Effect.map(file.stat, ({ size }) => Number(size))
  )
