/**
 * A submission whose outcome is unknown, settled by the server's list: its job is adopted, it is sent again, or its caller
 * is told what is known.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { SubmissionPolicy } from "../config/policies.js"
import {
  RequestTimeoutError,
  type ResponseDecodeError,
  SubmissionUncertainError as Uncertain
} from "../errors/errors.js"
import { type Deadline, withDeadline } from "../http/deadline.js"
import type { SubmitOptions } from "../http/httpTypes.js"
import { isKeyRejection, isOfOtherRequest } from "../http/responseError.js"
import { currentMonotonicMillis } from "../monotonicClock.js"
import type { Submission } from "../protocol/submissionRequests.js"
import { isTerminal, type VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { judgeRepeat, keyLifetime, type Repeat } from "./judgeRepeat.js"
import { type ReadPage, readNewest } from "./readNewestJobs.js"
import { judge, remember, type Verdict } from "./verdict.js"

/** A submission is sent three times at most. */
const maxResends = 2

/** The pause after the first look; it doubles after each. */
const firstPause = 1000

class DeadlinePassed {
  readonly _tag = "DeadlinePassed"
}

const isDeadline = (error: unknown): error is DeadlinePassed => error instanceof DeadlinePassed

/** A submission that was sent, and nobody knows what came of it. */
interface Lost {
  readonly error: Uncertain
  /** How often it was sent. */
  readonly times: number
  readonly sentAt: number
  /** Whether its answer named a job that was there before: another submission's, or the very one that it derives from. */
  readonly named: "another" | "source" | null
}

/** What is known of a submission while it runs: how it ends once its deadline has passed. */
interface Course {
  readonly entry: Entry
  /** Its last request whose outcome is unknown. */
  lost: Lost | null
  /** The jobs that it may have made, as far as the list has shown them. */
  candidates: ReadonlyArray<VideoResource>
  /** The job that it has made. */
  made: VideoResource | null
}

/** The answer to a submission. */
export interface Answered {
  readonly video: VideoResource
  /** Why it is none, after all. */
  readonly doubt: (detail: string) => ResponseDecodeError
}

const noList = "This server has no list of jobs"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The job that was made since the call began, or else the one of an earlier process. */
const withRepeat = (verdict: Verdict, repeated: () => Verdict | null): Verdict => {
  if (verdict._tag === "Made" || (verdict._tag === "Unclear" && verdict.isFinal)) return verdict
  const repeat = repeated()
  if (repeat === null) return verdict
  if (repeat._tag !== "Unclear" || verdict._tag !== "Unclear") return repeat
  const ids = new Set(repeat.candidates.map(({ id }) => id))
  return { ...repeat, candidates: [...repeat.candidates, ...verdict.candidates.filter(({ id }) => !ids.has(id))] }
}

/** If the server has so many of the newest missing jobs no more, it removes jobs, and the older ones are gone too. */
const enoughGone = 5

/** Whether the server has a job, and it has not ended badly: a complete list shows it. */
export type IsThere = (id: string, options: SubmitOptions | undefined) => Effect.Effect<boolean>

/** @internal */
export const makeReconcile = (policy: SubmissionPolicy, claims: Claims, readPage: ReadPage, isThere: IsThere) => {
  const lag = Duration.toMillis(policy.listLag)

  /** Others with the same prompt, whose answers may yet name a job that a look has shown. */
  const othersAnswered = (entry: Entry): Effect.Effect<void> =>
    Effect.suspend(() => {
      const seenBy = claims.now()
      const next = (): Effect.Effect<void> => {
        const other = claims.rivals(entry).find(({ begun, state }) => state === "sent" && begun <= seenBy)
        return other === undefined ? Effect.void : Effect.flatMap(Deferred.await(other.answered), next)
      }
      return next()
    })

  /** `repeat` is given where an earlier process may have made the job. */
  const oneLook = (
    entry: Entry,
    resentAt: number | null,
    options: SubmitOptions | undefined,
    repeat: Repeat | null
  ): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      const rules = { isTrusted: policy.listTrusted, lag, resentAt }
      const since = repeat === null ? entry.begunAt : entry.begunAt - keyLifetime
      const seen = yield* readNewest(readPage, since, options)
      yield* othersAnswered(entry)
      const first = judge(entry, seen, claims, rules)
      if (first._tag === "Unclear" && first.missing !== undefined) {
        const { missing } = first
        const found = yield* Effect.findFirst(missing.slice(0, enoughGone), (id) => isThere(id, options))
        if (Option.isNone(found)) for (const id of missing) claims.forget(id)
      }
      return yield* Effect.map(currentMonotonicMillis, (now) => {
        const verdict = withRepeat(judge(entry, seen, claims, rules), () =>
          repeat === null ? null : judgeRepeat(entry, seen, claims, rules, repeat)
        )
        // In one turn: between the verdict and the claim nobody else can come.
        if (verdict._tag === "Made") claims.hold(entry, verdict.video, now)
        remember(entry, seen, claims)
        return verdict
      })
    }).pipe(
      Effect.catchAll((error) =>
        Effect.succeed<Verdict>({
          _tag: "Unclear",
          candidates: [],
          detail:
            error._tag === "OperationUnsupportedError"
              ? `${noList} (${error.route} returned HTTP ${error.status})`
              : `the list could not be read: ${error.message}`,
          isFinal: !error.isTransient
        })
      )
    )

  /** Looks until the job is found, or until one that was made would be on the list for sure. */
  const settle = (course: Course, lost: Lost, options: SubmitOptions | undefined): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      const { entry } = course
      const { error, sentAt, times } = lost
      const isRepeat = options?.idempotencyKey !== undefined && isKeyRejection(error.reason)
      const isOtherRequest = isOfOtherRequest(error.reason)
      // A server that took so long and was not done may take as long again.
      const lostAt = yield* currentMonotonicMillis
      const until = lostAt + (lostAt - sentAt) + lag
      let notMade = 0
      // A job that failed may be gone from the list, and was made all the same.
      let shown: ReadonlyMap<string, VideoResource> = new Map()
      for (let looks = 1, pause = firstPause; ; looks++, pause *= 2) {
        const isSettled = looks >= 2 && (yield* currentMonotonicMillis) >= until
        const repeat = isRepeat ? { isOtherRequest, isSettled } : null
        const verdict = yield* oneLook(entry, times > 1 ? sentAt : null, options, repeat)
        if (verdict._tag === "Made") return verdict
        if (verdict._tag === "NotMade") notMade++
        // The latest first: they are in the order of their likelihood.
        else {
          const latest = new Map<string, VideoResource>(verdict.candidates.map((video) => [video.id, video]))
          for (const [id, video] of shown) if (!latest.has(id)) latest.set(id, video)
          shown = latest
        }
        const candidates = [...shown.values()].filter(
          (video) => !(isRepeat ? claims.isHeld(video.id) : claims.isKnown(video, entry))
        )
        course.candidates = candidates
        if (verdict._tag === "Unclear" && verdict.isFinal) return { ...verdict, candidates }
        const left = until - (yield* currentMonotonicMillis)
        if (left <= 0 && looks >= 2 && (isSettled || !isRepeat)) {
          if (verdict._tag === "Unclear") return { ...verdict, candidates }
          if (notMade >= 2 && candidates.length === 0) return verdict
          const detail =
            candidates.length > 0
              ? "a job that may be its own was on the list, and is there no more"
              : "only one look at the list has shown nothing of it"
          return { _tag: "Unclear", candidates, detail, isFinal: true }
        }
        yield* Effect.sleep(Math.min(pause, Math.max(left, 0)))
      }
    })

  /**
   * `attempt` sends the submission, and fails with `SubmissionUncertainError` where its outcome is unknown. The deadline is
   * for all of it: what waits, is sent or is read then is interrupted.
   */
  const run = <E>(
    submission: Submission,
    deadline: Deadline,
    attempt: Effect.Effect<Answered, E | Uncertain>
  ): Effect.Effect<VideoResource, E | Uncertain | RequestTimeoutError> => {
    const { call } = submission
    const options: SubmitOptions | undefined = call.options
    const mode = options?.onUnknownOutcome ?? policy.onUnknownOutcome
    const mayResend = options?.retry !== false

    type Answer = Effect.Effect<VideoResource, E | Uncertain>

    const mayHaveMadeAJob = ({ lost }: Course): boolean => lost !== null || call.sending.mayHaveActed

    const giveUp = (error: Uncertain, detail: string, candidates: ReadonlyArray<VideoResource> = []) =>
      Effect.flatMap(currentMonotonicMillis, (now) => {
        const open = candidates.filter((video) => !claims.isHeld(video.id) || claims.isLater(video))
        for (const { id } of open) claims.name(id, now)
        const { idempotencyKey, operation, reason } = error
        const hasList = !detail.startsWith(noList)
        return Effect.fail(new Uncertain({ operation, idempotencyKey, reason, candidates: open, detail, hasList }))
      })

    /** `lost` is why it is not the first time. */
    const send = (course: Course, lost: Lost | null): Answer => {
      const { entry } = course
      return Effect.flatMap(currentMonotonicMillis, (sentAt) =>
        Effect.matchEffect(attempt, {
          onSuccess: (answer) =>
            Effect.flatMap(currentMonotonicMillis, (now): Answer => {
              const { video } = answer
              // A source that has not ended is worked on in its place, as a server may do that keeps one id for a clip.
              const isSource = video.id === entry.sought.source
              if (isSource && isTerminal(video)) return denied(course, answer, { lost, sentAt, named: "source" })
              if (!isSource && claims.isOthers(entry, video))
                return denied(course, answer, { lost, sentAt, named: "another" })
              claims.hold(entry, video, now)
              course.made = video
              return Effect.succeed(video)
            }),
          onFailure: (error) => {
            const isUnknown = error instanceof Uncertain
            if (!isUnknown && lost === null) return Effect.fail(error)
            claims.lost(entry)
            const times = (lost?.times ?? 0) + 1
            if (isUnknown) return unknown(course, { error, times, sentAt, named: null })
            // What the server says to the second says nothing of the first.
            return lost === null ? Effect.fail(error) : giveUp(lost.error, `sent again, it failed: ${messageOf(error)}`)
          }
        })
      )
    }

    /** Whoever was told of it first keeps it; what came of this submission is as open as if its answer were lost. */
    const denied = (
      course: Course,
      { doubt, video }: Answered,
      { lost, named, sentAt }: Pick<Lost, "named" | "sentAt"> & { readonly lost: Lost | null }
    ): Answer =>
      Effect.suspend(() => {
        claims.lost(course.entry)
        const whose = named === "source" ? "the job that it is to derive from" : "the job of another submission"
        const error = new Uncertain({
          operation: call.operation,
          idempotencyKey: submission.idempotencyKey,
          reason: doubt(`it names ${video.id}, ${whose}`),
          candidates: [],
          detail: null
        })
        const times = (lost?.times ?? 0) + 1
        if (lost === null || lost.named === null) return unknown(course, { error, times, sentAt, named })
        const detail = "sent again, it was answered so again: this server may take requests that are alike for one"
        return giveUp(error, detail)
      })

    const again = (course: Course, lost: Lost): Answer =>
      Effect.suspend(() => {
        claims.sendAgain(course.entry)
        return send(course, lost)
      })

    const unknown = (course: Course, lost: Lost): Answer => {
      const { error, times } = lost
      course.lost = lost
      if (mode === "fail") return Effect.fail(error)
      // Looking takes time, and this caller has none left.
      if (error.reason._tag === "RequestTimeoutError" && error.reason.option === "totalTimeout") {
        return giveUp(error, "`totalTimeout` left no time to read the server's list")
      }
      const isRejected = isKeyRejection(error.reason)
      const hindrance = isRejected
        ? "the server has its `Idempotency-Key` already"
        : !mayResend
          ? "`retry: false` forbids to send it again"
          : times > maxResends
            ? `it was sent ${times} times`
            : lost.named === "source"
              ? "a server that changes a job in place would do so again"
              : null
      if (mode === "resend" && !isRejected) {
        return hindrance === null
          ? Effect.zipRight(Effect.sleep(firstPause * 2 ** (times - 1)), again(course, lost))
          : giveUp(error, hindrance)
      }
      if (!policy.listServed) {
        const isLate = error.reason._tag === "RequestTimeoutError"
        return giveUp(
          error,
          isLate ? `${noList}; if it responds only when the clip is done, give it more time (\`timeout\`)` : noList
        )
      }
      return Effect.flatMap(settle(course, lost, options), (verdict): Answer => {
        switch (verdict._tag) {
          case "Made":
            course.made = verdict.video
            return Effect.as(said(submission, "adopted", { videoId: verdict.video.id }), verdict.video)
          case "Unclear":
            return giveUp(error, verdict.detail, verdict.candidates)
          case "NotMade":
            return hindrance === null
              ? Effect.zipRight(said(submission, "sent again", {}), again(course, lost))
              : giveUp(error, `it is not on the list; ${hindrance}`)
        }
      })
    }

    /** How it ends at its deadline. */
    const expired = (course: Course): Effect.Effect<VideoResource, Uncertain | RequestTimeoutError> => {
      const { candidates, entry, lost, made } = course
      // The response came at the same moment.
      if (made !== null) return Effect.succeed(made)
      const { operation } = call
      const { duration: timeout } = deadline
      const mayHaveActed = mayHaveMadeAJob(course)
      const reason = new RequestTimeoutError({
        operation,
        timeout,
        origin: policy.origin,
        option: "totalTimeout",
        mayHaveActed
      })
      if (!mayHaveActed) return Effect.fail(reason)
      if (entry.state === "sent") claims.lost(entry)
      if (lost !== null) {
        const what = mode === "resend" ? "another request did" : "the server's list settled it"
        return giveUp(
          lost.error,
          `\`totalTimeout\` (${Duration.toMillis(timeout) / 1000} s) ended before ${what}`,
          candidates
        )
      }
      const { idempotencyKey } = submission
      const detail = mode === "fail" ? null : "`totalTimeout` left no time to read the server's list"
      return Effect.fail(new Uncertain({ operation, idempotencyKey, reason, candidates: [], detail }))
    }

    // Interruption is prompt, and leaves word: a program that waits no longer may have paid.
    return Effect.acquireUseRelease(
      Effect.map(currentMonotonicMillis, (now): Course => {
        const entry = claims.begin(submission, now)
        return { entry, lost: null, candidates: [], made: null }
      }),
      (course) =>
        Effect.flatMap(deadline.left, (left) =>
          Effect.catchIf(
            withDeadline(send(course, null), left, () => new DeadlinePassed()),
            isDeadline,
            () => expired(course)
          )
        ),
      (course, exit) => {
        const { entry } = course
        if (Exit.isInterrupted(exit)) {
          const isOpen = mayHaveMadeAJob(course)
          claims.end(entry, isOpen ? "interrupted" : "settled")
          if (!isOpen) return Effect.void
          return said(submission, "interrupted", { videoId: entry.job })
        }
        claims.end(entry, Exit.isFailure(exit) && entry.state === "unknown" ? "given up" : "settled")
        return Effect.void
      }
    )
  }

  return run
}

const messages = {
  adopted: "the answer to a submission was lost; its job was found on the server's list",
  "sent again": "the answer to a submission was lost, and the server's list has no job of it; it is sent again",
  interrupted: "a submission was interrupted before its outcome was known; the server may have made a job"
} as const

/** For whoever reads logs and traces: these are the moments at which money is spent, or may have been. */
const said = (
  { call, idempotencyKey }: Submission,
  what: keyof typeof messages,
  more: { readonly [name: string]: unknown }
): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.annotateCurrentSpan("video.submission.outcome", what),
    Effect.logWarning(messages[what]).pipe(Effect.annotateLogs({ operation: call.operation, idempotencyKey, ...more }))
  )
