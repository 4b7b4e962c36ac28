/** A `Videos` with scripted polls, for tests of timing: no HTTP, no socket, only a `TestClock`. */
import * as Headers from "@effect/platform/Headers"
import { Clock, Effect, Layer, Schema } from "effect"
import { type RetrieveVideoError, VideoResource, Videos } from "effect-videos"

/** Result of one poll. */
export type Look =
  | { readonly video: VideoResource; readonly headers?: { readonly [name: string]: string } }
  | { readonly error: RetrieveVideoError }
  | "never"

const decode = Schema.decodeUnknownSync(VideoResource)

/** Makes a snapshot of the job `video_1`. */
export const snapshot = (status: string, fields: { readonly [name: string]: unknown } = {}): VideoResource =>
  decode({ id: "video_1", object: "video", status, ...fields })

export const seen = (status: string, fields: { readonly [name: string]: unknown } = {}): Look => ({
  video: snapshot(status, fields)
})

/** Server whose polls follow a script; the last entry repeats. */
export const makeScript = (...looks: ReadonlyArray<Look>) => {
  /** Times of the polls, in milliseconds. */
  const times: Array<number> = []
  /** Number of polls that were aborted before their response. */
  let aborted = 0
  const layer = Layer.mock(Videos, {
    retrieve: (_id, options) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<VideoResource, RetrieveVideoError> => {
        const look = looks[Math.min(times.push(now), looks.length) - 1] ?? "never"
        if (look === "never") {
          return Effect.onInterrupt(Effect.never, () => Effect.sync(() => aborted++))
        }
        const ok = "video" in look
        const answered = options?.onResponse?.({
          status: ok ? 200 : 500,
          headers: Headers.fromInput(ok ? look.headers : {}),
          requestId: null
        })
        return Effect.zipRight(answered ?? Effect.void, ok ? Effect.succeed(look.video) : Effect.fail(look.error))
      })
  })
  return { layer, times, aborted: () => aborted }
}
