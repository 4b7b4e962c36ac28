/**
 * Settles a submission with an unknown outcome by the server's list: adopts its job, sends it again, or fails with
 * `SubmissionUncertainError` and the candidates.
 */
import * as Arr from "effect/Array"
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
import type { Deadline } from "../http/deadline.js"
import type { SubmitOptions } from "../http/httpTypes.js"
import { isKeyRejection, isOfOtherRequest } from "../http/keyRejection.js"
import { currentMonotonicMillis } from "../monotonicClock.js"
import type { Submission } from "../protocol/submissionRequests.js"
import { isTerminal, type VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { judgeRepeat, keyLifetime, type Repeat } from "./judgeRepeat.js"
import { type ReadPage, readNewest } from "./readNewestJobs.js"
import { judge, remember, type Verdict } from "./verdict.js"

/** A submission is sent three times at most. */
const maxResends = 2

/** The pause after the first read of the list; it doubles after each. */
const firstPause = 1000

/** A submission that was sent, and whose outcome is unknown. */
interface UnknownOutcome {
  readonly error: Uncertain
  /** How often it was sent. */
  readonly sendCount: number
  readonly sentAt: number
  /** Set if its response named an existing job: that of another submission, or its own source. */
  readonly namedJob: "another" | "source" | null
}

/** What is known of a submission while it runs: how it ends once its deadline has passed. */
interface Progress {
  readonly entry: Entry
  /** Its last request whose outcome is unknown. */
  outcome: UnknownOutcome | null
  /** The jobs that it may have made, as far as the list has shown them. */
  candidates: ReadonlyArray<VideoResource>
  /** The job that it has made. */
  made: VideoResource | null
}

/** A response to a submission. */
export interface SubmitResponse {
  readonly video: VideoResource
  /** The error if the job turns out not to be the submission's. */
  readonly toDecodeError: (detail: string) => ResponseDecodeError
}

const noList = "This server has no list of jobs"

const noTime = "`totalTimeout` left no time to read the server's list"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The job that was made since the call began, or else the one of an earlier process. */
const withRepeat = (verdict: Verdict, repeated: () => Verdict | null): Verdict => {
  if (verdict._tag === "Made" || (verdict._tag === "Unclear" && verdict.isFinal)) return verdict
  const repeat = repeated()
  if (repeat === null) return verdict
  if (repeat._tag !== "Unclear" || verdict._tag !== "Unclear") return repeat
  return { ...repeat, candidates: eachOnce(repeat.candidates, verdict.candidates) }
}

/** Jobs of two lists; those of the first come first. */
const eachOnce = (first: ReadonlyArray<VideoResource>, second: ReadonlyArray<VideoResource>) =>
  Arr.dedupeWith([...first, ...second], (one, other) => one.id === other.id)

/** If this many of the newest missing jobs are gone from the server, it removes jobs, and the older ones are gone too. */
const enoughGone = 5

/** Whether the server has a job, and it has not ended badly: a complete list shows it. */
export type IsThere = (id: string, options: SubmitOptions | undefined) => Effect.Effect<boolean>

export const makeReconcile = (policy: SubmissionPolicy, claims: Claims, readPage: ReadPage, isThere: IsThere) => {
  const lag = Duration.toMillis(policy.listLag)

  /** Waits for the responses to other submissions with the same prompt: they may name a job that the list has shown. */
  const awaitOtherResponses = (entry: Entry): Effect.Effect<void> =>
    Effect.suspend(() => {
      const seenBy = claims.now()
      const next = (): Effect.Effect<void> => {
        const other = claims.rivals(entry).find(({ begun, state }) => state === "sent" && begun <= seenBy)
        return other === undefined ? Effect.void : Effect.flatMap(Deferred.await(other.responded), next)
      }
      return next()
    })

  /** `repeat` is given where an earlier process may have made the job. */
  const readAndJudge = (
    entry: Entry,
    resentAt: number | null,
    options: SubmitOptions | undefined,
    repeat: Repeat | null
  ): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      const rules = { isTrusted: policy.listTrusted, lag, resentAt }
      const since = repeat === null ? entry.begunAt : entry.begunAt - keyLifetime
      const list = yield* readNewest(readPage, since, options)
      yield* awaitOtherResponses(entry)
      const first = judge(entry, list, claims, rules)
      if (first._tag === "Unclear" && first.missing !== undefined) {
        const { missing } = first
        const found = yield* Effect.findFirst(missing.slice(0, enoughGone), (id) => isThere(id, options))
        if (Option.isNone(found)) for (const id of missing) claims.forget(id)
      }
      return yield* Effect.map(currentMonotonicMillis, (now) => {
        const verdict = withRepeat(judge(entry, list, claims, rules), () =>
          repeat === null ? null : judgeRepeat(entry, list, claims, rules, repeat)
        )
        // No yield between the verdict and the claim: no other fiber can claim the job in between.
        if (verdict._tag === "Made") claims.hold(entry, verdict.video, now)
        remember(entry, list, claims)
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

  /** Reads the list until the job is found, or until a job that was made would certainly be on it. */
  const settle = (
    progress: Progress,
    outcome: UnknownOutcome,
    options: SubmitOptions | undefined
  ): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      const { entry } = progress
      const { error, sentAt, sendCount } = outcome
      const isRepeat = options?.idempotencyKey !== undefined && isKeyRejection(error.reason)
      const isOtherRequest = isOfOtherRequest(error.reason)
      // A server that took so long and was not done may take as long again.
      const lostAt = yield* currentMonotonicMillis
      const until = lostAt + (lostAt - sentAt) + lag
      let notMade = 0
      // A failed job may be gone from the list although it was made.
      let seen: ReadonlyArray<VideoResource> = []
      for (let reads = 1, pause = firstPause; ; reads++, pause *= 2) {
        const isSettled = reads >= 2 && (yield* currentMonotonicMillis) >= until
        const repeat = isRepeat ? { isOtherRequest, isSettled } : null
        const verdict = yield* readAndJudge(entry, sendCount > 1 ? sentAt : null, options, repeat)
        if (verdict._tag === "Made") return verdict
        if (verdict._tag === "NotMade") notMade++
        // The latest first: they are in the order of their likelihood.
        else seen = eachOnce(verdict.candidates, seen)
        const candidates = seen.filter((video) => !(isRepeat ? claims.isHeld(video.id) : claims.isKnown(video, entry)))
        progress.candidates = candidates
        if (verdict._tag === "Unclear" && verdict.isFinal) return { ...verdict, candidates }
        const left = until - (yield* currentMonotonicMillis)
        if (left <= 0 && reads >= 2 && (isSettled || !isRepeat)) {
          if (verdict._tag === "Unclear") return { ...verdict, candidates }
          if (notMade >= 2 && candidates.length === 0) return verdict
          const detail =
            candidates.length > 0
              ? "a job that may be its own was on the list, and is there no more"
              : "only one read of the list shows nothing of it"
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
    attempt: Effect.Effect<SubmitResponse, E | Uncertain>
  ): Effect.Effect<VideoResource, E | Uncertain | RequestTimeoutError> => {
    const { call } = submission
    const options: SubmitOptions | undefined = call.options
    const mode = options?.onUnknownOutcome ?? policy.onUnknownOutcome
    const mayResend = options?.singleAttempt !== true

    type Result = Effect.Effect<VideoResource, E | Uncertain>

    const uncertain = (reason: Uncertain["reason"], detail: string | null): Uncertain =>
      new Uncertain({
        operation: call.operation,
        idempotencyKey: submission.idempotencyKey,
        reason,
        candidates: [],
        detail
      })

    const mayHaveMadeAJob = ({ outcome }: Progress): boolean => outcome !== null || call.sending.mayHaveActed

    const giveUp = (error: Uncertain, detail: string, candidates: ReadonlyArray<VideoResource> = []) =>
      Effect.flatMap(currentMonotonicMillis, (now) => {
        const open = candidates.filter((video) => !claims.isHeld(video.id) || claims.isLater(video))
        for (const { id } of open) claims.name(id, now)
        const hasList = policy.listServed && !detail.startsWith(noList)
        return Effect.fail(new Uncertain({ ...error, candidates: open, detail, hasList }))
      })

    /** `outcome`: that of the request before, if the submission is sent again. */
    const send = (progress: Progress, outcome: UnknownOutcome | null): Result => {
      const { entry } = progress
      return Effect.flatMap(currentMonotonicMillis, (sentAt) => {
        if (outcome !== null) claims.markSent(entry)
        const unknown = (error: Uncertain, namedJob: UnknownOutcome["namedJob"]): Result => {
          claims.markUnknown(entry)
          return resolveOutcome(progress, { error, sendCount: (outcome?.sendCount ?? 0) + 1, sentAt, namedJob })
        }
        return Effect.matchEffect(attempt, {
          onSuccess: ({ toDecodeError, video }) =>
            Effect.flatMap(currentMonotonicMillis, (now): Result => {
              const isSource = video.id === entry.criteria.source
              // A source that has not ended is worked on in its place, as a server may do that keeps one id for a clip.
              if (isSource ? !isTerminal(video) : !claims.isOfAnother(entry, video)) {
                claims.hold(entry, video, now)
                progress.made = video
                return Effect.succeed(video)
              }
              // The job stays with the submission that held it first, as if this response were lost.
              const whose = isSource ? "the job that it is to derive from" : "the job of another submission"
              const error = uncertain(toDecodeError(`it names ${video.id}, ${whose}`), null)
              if (outcome === null || outcome.namedJob === null) return unknown(error, isSource ? "source" : "another")
              claims.markUnknown(entry)
              return giveUp(
                error,
                "sent again, the response was the same: this server may take requests that are alike for one"
              )
            }),
          onFailure: (error) => {
            if (error instanceof Uncertain) return unknown(error, null)
            if (outcome === null) return Effect.fail(error)
            claims.markUnknown(entry)
            // The response to the second request says nothing about the first.
            return giveUp(outcome.error, `sent again, it failed: ${messageOf(error)}`)
          }
        })
      })
    }

    const resolveOutcome = (progress: Progress, outcome: UnknownOutcome): Result => {
      const { error, sendCount } = outcome
      progress.outcome = outcome
      if (mode === "fail") return Effect.fail(error)
      // The call's deadline leaves no time to read the list.
      if (error.reason._tag === "RequestTimeoutError" && error.reason.option === "totalTimeout") {
        return giveUp(error, noTime)
      }
      const isRejected = isKeyRejection(error.reason)
      const obstacle = isRejected
        ? "the server has its `Idempotency-Key` already"
        : !mayResend
          ? "`singleAttempt: true` forbids to send it again"
          : sendCount > maxResends
            ? `it was sent ${sendCount} times`
            : outcome.namedJob === "source"
              ? "a server that changes a job in place would do so again"
              : null
      if (mode === "resend" && !isRejected) {
        return obstacle === null
          ? Effect.zipRight(Effect.sleep(firstPause * 2 ** (sendCount - 1)), send(progress, outcome))
          : giveUp(error, obstacle)
      }
      if (!policy.listServed) {
        const isLate = error.reason._tag === "RequestTimeoutError"
        return giveUp(
          error,
          isLate ? `${noList}; if it responds only when the clip is done, give it more time (\`timeout\`)` : noList
        )
      }
      return Effect.flatMap(settle(progress, outcome, options), (verdict): Result => {
        switch (verdict._tag) {
          case "Made":
            progress.made = verdict.video
            return Effect.as(logOutcome(submission, "adopted", { videoId: verdict.video.id }), verdict.video)
          case "Unclear":
            return giveUp(error, verdict.detail, verdict.candidates)
          case "NotMade":
            return obstacle === null
              ? Effect.zipRight(logOutcome(submission, "sent again", {}), send(progress, outcome))
              : giveUp(error, `it is not on the list; ${obstacle}`)
        }
      })
    }

    /** How it ends at its deadline. */
    const onDeadline = (progress: Progress): Effect.Effect<VideoResource, Uncertain | RequestTimeoutError> => {
      const { candidates, entry, outcome, made } = progress
      // The response came at the same moment.
      if (made !== null) return Effect.succeed(made)
      const { duration: timeout } = deadline
      const mayHaveActed = mayHaveMadeAJob(progress)
      const reason = new RequestTimeoutError({
        operation: call.operation,
        timeout,
        origin: policy.origin,
        option: "totalTimeout",
        mayHaveActed
      })
      if (!mayHaveActed) return Effect.fail(reason)
      if (entry.state === "sent") claims.markUnknown(entry)
      if (outcome !== null) {
        const what = mode === "resend" ? "another request did" : "the server's list settled it"
        return giveUp(
          outcome.error,
          `\`totalTimeout\` (${Duration.toMillis(timeout) / 1000} s) ended before ${what}`,
          candidates
        )
      }
      return Effect.fail(uncertain(reason, mode === "fail" ? null : noTime))
    }

    // An interruption is logged: the program may have paid for a job.
    return Effect.acquireUseRelease(
      Effect.map(currentMonotonicMillis, (now): Progress => {
        const entry = claims.begin(submission, now)
        return { entry, outcome: null, candidates: [], made: null }
      }),
      (progress) =>
        Effect.flatMap(deadline.left, (duration) => {
          const sent = send(progress, null)
          // Without a fiber of its own, a submission keeps its place before later calls.
          if (!Duration.isFinite(duration)) return sent
          const onTimeout = () => onDeadline(progress)
          return Effect.flatten(Effect.timeoutTo(sent, { duration, onSuccess: Effect.succeed, onTimeout }))
        }),
      (progress, exit) => {
        const { entry } = progress
        if (Exit.isInterrupted(exit)) {
          const isOpen = mayHaveMadeAJob(progress)
          claims.end(entry, isOpen ? "interrupted" : "settled")
          if (!isOpen) return Effect.void
          return logOutcome(submission, "interrupted", { videoId: entry.job })
        }
        claims.end(entry, Exit.isFailure(exit) && entry.state === "unknown" ? "given up" : "settled")
        return Effect.void
      }
    )
  }

  return run
}

const messages = {
  adopted: "the response to a submission was lost; its job was found on the server's list",
  "sent again": "the response to a submission was lost, and the server's list has no job of it; it is sent again",
  interrupted: "a submission was interrupted before its outcome was known; the server may have made a job"
} as const

/** Logs and traces the moments at which money is spent, or may have been. */
const logOutcome = (
  { call, idempotencyKey }: Submission,
  what: keyof typeof messages,
  more: { readonly [name: string]: unknown }
): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.annotateCurrentSpan("video.submission.outcome", what),
    Effect.logWarning(messages[what]).pipe(Effect.annotateLogs({ operation: call.operation, idempotencyKey, ...more }))
  )
