/**
 * The submission of a run. A process may die at any point of it, and the engine then runs it again from its start: the row says
 * what had happened. What was sent is settled by the server's list before anything is sent again.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Segments } from "effect-videos/continue"
import { isTransient } from "effect-videos/Errors"
import type { CreateVideoRequest, ExtendVideoRequest, VideoResource } from "effect-videos/Schema"
import { type SettledSubmission, settleSubmission, Videos } from "effect-videos/Videos"
import { CreateRequest, ExtendRequest, ExtendToRequest } from "../Runs.js"
import { VideoStore } from "../VideoStore.js"
import { filmOptions, type Tools } from "./films.js"
import { sends, uncertain } from "./metrics.js"
import { fieldsOf, type RunRow } from "./runRow.js"
import { RunTable } from "./runTable.js"
import { Checkpoint, Settings } from "./settings.js"
import { end, go, type Next, type Step, type Steps } from "./steps.js"

/** A submission is sent so often in a row; then it waits, longer each time, or for a person. */
const maxSends = 3

/** A segment that is a clip of its own: the picture that it goes on from is made when the request is sent. */
export const SegmentRequest = Schema.Struct({
  ...CreateRequest.fields,
  continues: Schema.optionalWith(
    Schema.Struct({
      /** Its name in the store. */
      clip: Schema.String,
      seam: ExtendToRequest.fields.seam,
      windowSeconds: ExtendToRequest.fields.windowSeconds
    }),
    { exact: true }
  )
})

type Continues = Exclude<(typeof SegmentRequest.Type)["continues"], undefined>

const decodeSegment = Schema.decodeUnknownEither(Schema.parseJson(SegmentRequest))
const decodeExtension = Schema.decodeUnknownEither(Schema.parseJson(ExtendRequest))

interface Submission {
  readonly request: CreateVideoRequest | ExtendVideoRequest
  readonly continues: Continues | null
}

/** The request of a row; fails if this version cannot read it. */
const requestOf = ({ kind, request }: RunRow): Either.Either<Submission, string> => {
  const decoded: Either.Either<typeof SegmentRequest.Type | ExtendRequest, ParseError> =
    kind === "extend" ? decodeExtension(request) : decodeSegment(request)
  return Either.mapBoth(decoded, {
    onLeft: (error) => fieldsOf(error).join(", "),
    onRight: (all) => {
      const { continues = null, ...rest } = { continues: null, ...all }
      // JSON has no `undefined`.
      return { request: rest as CreateVideoRequest | ExtendVideoRequest, continues }
    }
  })
}

export const makeSubmit = ({ begin, cancel, change, postpone, seen }: Steps) =>
  Effect.gen(function* () {
    const videos = yield* Videos
    const table = yield* RunTable
    const settings = yield* Settings
    const store = yield* VideoStore
    const tools = yield* Effect.context<Tools>()
    const checkpoint = yield* Checkpoint

    /** Whether the job is the run's now. Another run may have been faster. */
    const adopt = (row: RunRow, video: VideoResource) =>
      Effect.gen(function* () {
        const isOwn = yield* Effect.orDie(table.claim(row.execution_id, row.server, video.id))
        if (!isOwn) return false
        yield* change(row.execution_id, { ...seen(video), ...settled })
        yield* checkpoint("after record")
        return true
      })
    const settled = {
      state: "waiting",
      sent_at: null,
      candidates: null,
      resolution: null,
      problem: null,
      tries: 0
    } as const

    const becomeUncertain = (row: RunRow, problem: string, candidates: ReadonlyArray<VideoResource>) =>
      // The list is read again, less often each time: other runs find their jobs meanwhile.
      Effect.zipRight(
        row.state === "uncertain" ? Effect.void : Metric.increment(uncertain),
        postpone(row, problem, {
          state: "uncertain",
          candidates: JSON.stringify(
            candidates.map(({ createdAt, id, status }) => ({
              id,
              status,
              createdAt: createdAt === null ? null : DateTime.formatIso(createdAt)
            }))
          )
        })
      )

    const settle = (row: RunRow, request: CreateVideoRequest | ExtendVideoRequest, sentAt: number) =>
      settleSubmission(request, {
        begunAt: DateTime.unsafeMake(row.intent_at ?? sentAt),
        sentAt: DateTime.unsafeMake(sentAt),
        baseline: row.baseline,
        heldElsewhere: (ids) => Effect.orDie(table.held(row.execution_id, row.server, ids)),
        openElsewhere: Effect.map(
          Effect.orDie(table.open(row.execution_id, row.server, row.intent_at ?? sentAt)),
          (rows) =>
            rows.flatMap((other) =>
              Either.match(requestOf(other), { onLeft: () => [], onRight: ({ request }) => [request] })
            )
        )
      }).pipe(
        Effect.provideService(Videos, videos),
        Effect.catchAll((error) =>
          isTransient(error)
            ? Effect.fail(error.message)
            : Effect.succeed<SettledSubmission>({ _tag: "Unclear", candidates: [], detail: error.message })
        ),
        Effect.either
      )

    /** The picture or the clip that a segment of its own goes on from. */
    const referenceTo = ({ continues, request }: Submission) => {
      if (continues === null || "video" in request) return Effect.succeed({})
      const options = filmOptions(continues, settings)
      return Effect.flatMap(store.file(continues.clip), (path) => Segments.reference(path, request, options)).pipe(
        Effect.provide(tools),
        Effect.provideService(Videos, videos)
      )
    }

    const send = (row: RunRow, request: CreateVideoRequest | ExtendVideoRequest) => {
      // The table settles it, and knows more than this process.
      const options = { idempotencyKey: row.idempotency_key, onUnknownOutcome: "fail" } as const
      return Effect.either("video" in request ? videos.extend(request, options) : videos.create(request, options))
    }

    /** What a person or a program has decided. `null`: go on. */
    const obey = (row: RunRow, resolution: string): Effect.Effect<Next | null> =>
      Effect.gen(function* () {
        const { execution_id } = row
        if (resolution === "give up") return end("abandoned", row.problem)
        if (resolution === "resend") {
          yield* change(execution_id, {
            resolution: null,
            sent_at: null,
            state: "submitting",
            candidates: null,
            tries: 0
          })
          return null
        }
        const video = yield* Effect.either(videos.retrieve(resolution))
        const refuse = (problem: string) => postpone(row, problem, { resolution: null })
        if (video._tag === "Left") return yield* refuse(`job ${resolution} was chosen; ${video.left.message}`)
        if (yield* adopt(row, video.right)) return go
        return yield* refuse(`job ${resolution} was chosen, and belongs to another run`)
      })

    const submit: Step = (execution) =>
      Effect.gen(function* () {
        let row = yield* begin(execution)
        const request = requestOf(row)
        while (true) {
          if (row.job_id !== null) {
            if (row.state !== "waiting") yield* change(execution, settled)
            return go
          }
          if (row.cancel !== null && (row.sent_at === null || row.cancel === "keep job")) return yield* cancel(row)
          if (row.resolution !== null) {
            const next = yield* obey(row, row.resolution)
            if (next !== null) return next
            row = yield* begin(execution)
            continue
          }
          if (request._tag === "Left")
            return yield* postpone(row, `this version cannot read the run's request: ${request.left}`)
          if (row.sent_at !== null) {
            const outcome = yield* settle(row, request.right.request, row.sent_at)
            if (outcome._tag === "Left") return yield* postpone(row, outcome.left)
            if (outcome.right._tag === "Unclear") {
              if (row.cancel !== null) return end("cancelled", `its job is not known: ${outcome.right.detail}`)
              return yield* becomeUncertain(row, outcome.right.detail, outcome.right.candidates)
            }
            if (outcome.right._tag === "Made") yield* adopt(row, outcome.right.video)
            else if (row.sends >= maxSends) {
              return yield* postpone(row, `it was sent ${row.sends} times, and made no job`, { sent_at: null })
            } else yield* change(execution, { sent_at: null })
            row = yield* begin(execution)
            continue
          }
          const reference = yield* Effect.either(referenceTo(request.right))
          if (reference._tag === "Left") return yield* postpone(row, reference.left.message)
          // Committed before the request is sent: the next run of this step knows that it may have been sent.
          const sent_at = yield* Clock.currentTimeMillis
          row = yield* change(execution, { sent_at, sends: row.sends + 1, state: "submitting" })
          yield* Metric.increment(sends)
          yield* checkpoint("before request")
          const sent = yield* send(row, { ...request.right.request, ...reference.right })
          yield* checkpoint("after response")
          if (sent._tag === "Right") {
            if (yield* adopt(row, sent.right)) return go
            if (row.sends >= maxSends) {
              const problem = `its response named ${sent.right.id}, the job of another run`
              return yield* becomeUncertain(row, problem, [])
            }
          } else if (sent.left._tag !== "SubmissionUncertainError") {
            const { left: error } = sent
            const nothing = { sent_at: null, sends: row.sends - 1 }
            if (isTransient(error)) return yield* postpone(row, error.message, nothing)
            const isAll = error._tag === "OperationUnsupportedError"
            const refusal = Segments.isNotExtended(error) ? (isAll ? "server" : "clip") : null
            yield* change(execution, { ...nothing, refusal })
            return end("refused", error.message)
          }
          row = yield* begin(execution)
        }
      }).pipe(Effect.scoped, Effect.annotateLogs({ execution, server: settings.server }))

    return submit
  })
