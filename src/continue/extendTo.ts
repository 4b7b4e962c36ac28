/** `extendTo`: one segment after another until the clip is long enough. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import { exclusively } from "../internal/download/reserveFile.js"
import { spanOf, withSpan } from "../internal/http/spans.js"
import type { Dialect } from "../internal/protocol/dialect.js"
import { createRequest } from "../internal/protocol/submissionRequests.js"
import { invalid } from "../internal/protocol/validateRequest.js"
import { dialectOf } from "../internal/watch/watchHub.js"
import { Videos } from "../Videos.js"
import { checkWindow } from "./continueVideo.js"
import { type Call, runSegments } from "./extendRun.js"
import type { ExtendToError, ExtendToOptions, ExtendToPhase } from "./extendToTypes.js"
import { checkWaits, type JobOrFile, place } from "./joinVideos.js"
import { openManifest } from "./manifest.js"
import { lengthIn } from "./segmentPlan.js"

/**
 * Extends a clip until it lasts `totalSeconds` or a little more, and saves it at `path`: a segment for each prompt, the last
 * prompt for all that follow. A segment is the server's extension. If the server has none, or the clip is beyond what it
 * extends (15 s on xAI), it is a clip of its own from the last frame, as in `continueVideo`, and `SegmentStarted` says why.
 * Films are joined once, at the end.
 *
 * - A manifest in the directory `path.extend` is written before and after each submission, with its `Idempotency-Key`. After a
 *   crash, an interruption or an error, the same call goes on: it reuses finished segments, watches a job that was submitted, and
 *   settles a submission without a recorded job by `settleSubmission`, for which it may take `listLag`. The directory is
 *   removed once the file is saved.
 * - `SegmentUncertainError` carries the candidates if its outcome stays unknown, as always on a server without a list. `unsettled`
 *   decides.
 * - `ManifestError` if the manifest is of another source, length, prompts, model, size, parameters, seam or server.
 * - A segment whose job fails is submitted again by the next call, as a new job.
 * - FFmpeg is needed for a file as the source, for segments that are joined, and in dialects whose extensions may be the new
 *   part alone (`litellm`, `aiproxy`, `openrouter`).
 *
 * @example
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect, Stream } from "effect"
 * import { extendTo } from "effect-videos/continue"
 *
 * const program = extendTo("video_1", 60, ["the light comes on", "a boat passes"], "long.mp4", { maxSegments: 10 }).pipe(
 *   Stream.runForEach((phase) => Effect.log(phase._tag)),
 *   Effect.provide(NodeContext.layer)
 * )
 *
 * @since 0.1.0
 * @category operations
 */
export const extendTo = (
  source: JobOrFile,
  totalSeconds: number,
  prompts: Arr.NonEmptyReadonlyArray<string>,
  path: string,
  options: ExtendToOptions = {}
): Stream.Stream<
  ExtendToPhase,
  ExtendToError,
  Videos | FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor
> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      // Nothing is submitted before the phase that announces it is taken.
      const phases = yield* Mailbox.make<ExtendToPhase, ExtendToError>(0)
      const emit = (phase: ExtendToPhase) => Effect.asVoid(phases.offer(phase))
      const running = run({ source, totalSeconds, prompts, path, options, emit })
      yield* Effect.forkScoped(
        Mailbox.into(
          withSpan(running, "Videos.extendTo", () => spanOf("extend_to", {})),
          phases
        )
      )
      return Mailbox.toStream(phases)
    })
  )

// internal

export const checkOrder = (
  {
    options,
    prompts,
    totalSeconds
  }: Pick<Call, "options" | "totalSeconds"> & { readonly prompts: ReadonlyArray<string> },
  dialect: Dialect
) =>
  Effect.gen(function* () {
    const { extraBody, maxCost, maxSegments, model, segmentSeconds = 8, size } = options
    const check = (field: string, value: unknown, isRight: boolean, accepted: string) =>
      isRight ? Effect.void : Effect.fail(invalid("extendVideo", field, value, accepted))
    const isCount = (value: number | undefined) => value === undefined || (Number.isInteger(value) && value >= 0)
    yield* check("totalSeconds", totalSeconds, totalSeconds > 0 && totalSeconds < 1e6, "a number of seconds above 0")
    yield* check("prompts", prompts, Arr.isNonEmptyReadonlyArray(prompts), "one text or more")
    yield* check("segmentSeconds", segmentSeconds, segmentSeconds >= 1, "a number of seconds, 1 or more")
    yield* check("maxSegments", maxSegments, isCount(maxSegments), "a whole number, 0 or more")
    yield* check("maxCost", maxCost, maxCost === undefined || maxCost.amount >= 0, "an amount of 0 or more")
    const seconds = lengthIn(dialect.seconds.create, segmentSeconds)
    for (const prompt of prompts) yield* createRequest(dialect, { prompt, seconds, model, size, extraBody }, undefined)
    yield* checkWaits(options)
    yield* checkWindow(dialect, options.window)
  })

const run = (call: Call) =>
  Effect.gen(function* () {
    const { options, path } = call
    const dialect = dialectOf(yield* Videos)
    yield* checkOrder(call, dialect)
    const target = yield* place(path, options)
    return yield* exclusively(yield* FileSystem.FileSystem, target, null, () =>
      Effect.flatMap(openManifest(target), (file) => runSegments(call, dialect, target, file))
    )
  })
