/** One submission, from its first request to the file: what the commands that make a job share. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { noting } from "effect-videos/continue/continueVideo"
import { exclusively, type Reserved } from "effect-videos/internal/download/pathLock"
import type { VideoResource } from "effect-videos/Schema"
import type { SubmitAndWatchOptions } from "effect-videos/Stream"
import { connectionArguments } from "./connection.js"
import type { JobDisplay } from "./display.js"
import { follow, type Plan, watchOptions } from "./follow.js"
import type * as options from "./options.js"
import { type Output, outputArguments } from "./output.js"
import { Session } from "./session.js"
import { updatesOf } from "./watchJobs.js"

export interface Given extends options.Following, options.Connection, options.Shown {
  readonly watch: boolean
  readonly idempotencyKey: Option.Option<string>
}

/** The submission's answer first, then what a watch of it sees. */
export type Updates<E, R> = (display: JobDisplay, options: SubmitAndWatchOptions) => Stream.Stream<VideoResource, E, R>

export const submission = <E, R, E2 = never, R2 = never>(
  operation: string,
  given: Given,
  output: Output | null,
  updates: Updates<E, R>,
  more: Pick<Plan<E2, R2>, "make" | "resuming"> = {}
) =>
  Effect.gen(function* () {
    const session = yield* Session
    const connection = connectionArguments(given)
    const wait = given.watch || output !== null
    const run = (reserved: Reserved | null) =>
      follow(
        (display) => {
          const row = display(operation)
          const watching = {
            ...watchOptions(given, [row]),
            submit: { idempotencyKey: Option.getOrUndefined(given.idempotencyKey) }
          }
          const made = updates(row, watching)
          const all = Stream.tapError(reserved === null ? made : noting(made, reserved), () => session.notSubmitting)
          return Stream.unwrap(
            Effect.as(session.submitting(operation, connection), updatesOf(operation, wait ? all : Stream.take(all, 1)))
          )
        },
        {
          keys: [operation],
          first: "submitting",
          wait,
          output,
          resume: [...outputArguments(given.output, given.overwrite), ...connection],
          connection,
          ...more
        },
        given
      )
    const target = output?.target ?? null
    yield* target === null ? run(null) : exclusively(yield* FileSystem.FileSystem, target, null, run)
  })
