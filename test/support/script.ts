/** A `Videos` with scripted polls, for tests of timing: no HTTP, no socket, only a `TestClock`. */
import * as Headers from "@effect/platform/Headers"
import { Clock, Effect, Layer, Schema } from "effect"
import { type RetrieveVideoError, VideoResource, Videos } from "effect-videos"

/** Result of one poll. */
export type Poll =
  | { readonly video: VideoResource; readonly headers?: { readonly [name: string]: string } }
  | { readonly error: RetrieveVideoError }
  | "never"

const decode = Schema.decodeUnknownSync(VideoResource)

/** Makes a snapshot of the job `video_1`. */
export const snapshot = (status: string, fields: { readonly [name: string]: unknown } = {}): VideoResource =>
  decode({ id: "video_1", object: "video", status, ...fields })

export const seen = (status: string, fields: { readonly [name: string]: unknown } = {}): Poll => ({
  video: snapshot(status, fields)
})

/** Server whose polls follow a script; the last entry repeats. */
export const makeScript = (...polls: ReadonlyArray<Poll>) => {
  /** Times of the polls, in milliseconds. */
  const times: Array<number> = []
  /** Number of polls that were aborted before their response. */
  let aborted = 0
  const layer = Layer.mock(Videos, {
    retrieve: (_id, options) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<VideoResource, RetrieveVideoError> => {
        const poll = polls[Math.min(times.push(now), polls.length) - 1] ?? "never"
        if (poll === "never") {
          return Effect.onInterrupt(Effect.never, () => Effect.sync(() => aborted++))
        }
        const ok = "video" in poll
        const notified = options?.onResponse?.({
          status: ok ? 200 : 500,
          headers: Headers.fromInput(ok ? poll.headers : {}),
          requestId: null
        })
        return Effect.zipRight(notified ?? Effect.void, ok ? Effect.succeed(poll.video) : Effect.fail(poll.error))
      })
  })
  return { layer, times, aborted: () => aborted }
}
