/**
 * A submission whose outcome is unknown, settled by the server's list: its job is adopted, it is sent again, or its caller
 * is told what is known.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { type ResponseDecodeError, SubmissionUncertainError as Uncertain } from "../Errors.js"
import type { SubmissionPolicy, SubmitOptions } from "../Http.js"
import { isTerminal, type VideoResource } from "../Schema.js"
import type { Claims, Entry } from "./reconcileClaims.js"
import { type ReadPage, readNewest } from "./reconcileLook.js"
import { judge, remember, type Verdict } from "./reconcileVerdict.js"
import type { Submission } from "./submissions.js"

/** A submission is sent three times at most. */
const maxResends = 2

/** The pause after the first look; it doubles after each. */
const firstPause = 1000

/** A submission that was sent, and nobody knows what came of it. */
interface Lost {
  readonly error: Uncertain
  /** How often it was sent. */
  readonly times: number
  readonly sentAt: number
  /** Whether its answer named a job that was there before: another submission's, or the very one that it derives from. */
  readonly named: "another" | "source" | null
}

/** The answer to a submission. */
export interface Answered {
  readonly video: VideoResource
  /** Why it is none, after all. */
  readonly doubt: (detail: string) => ResponseDecodeError
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

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

  const oneLook = (entry: Entry, resentAt: number | null, options: SubmitOptions | undefined): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      const rules = { isTrusted: policy.listTrusted, lag, resentAt }
      const seen = yield* readNewest(readPage, entry.begunAt, options)
      yield* othersAnswered(entry)
      const first = judge(entry, seen, claims, rules)
      if (first._tag === "Unclear" && first.missing !== undefined) {
        const { missing } = first
        const found = yield* Effect.findFirst(missing.slice(0, enoughGone), (id) => isThere(id, options))
        if (Option.isNone(found)) for (const id of missing) claims.forget(id)
      }
      return yield* Effect.map(Clock.currentTimeMillis, (now) => {
        const verdict = judge(entry, seen, claims, rules)
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
          detail: `the list could not be read: ${error.message}`,
          isFinal: !error.isTransient
        })
      )
    )

  /** Looks until the job is found, or until one that was made would be on the list for sure. */
  const settle = (
    entry: Entry,
    { sentAt, times }: Pick<Lost, "sentAt" | "times">,
    options: SubmitOptions | undefined
  ): Effect.Effect<Verdict> =>
    Effect.gen(function* () {
      // A server that took so long and was not done may take as long again.
      const lostAt = yield* Clock.currentTimeMillis
      const until = lostAt + (lostAt - sentAt) + lag
      let notMade = 0
      // A job that failed may be gone from the list, and was made all the same.
      let shown: ReadonlyMap<string, VideoResource> = new Map()
      for (let looks = 1, pause = firstPause; ; looks++, pause *= 2) {
        const verdict = yield* oneLook(entry, times > 1 ? sentAt : null, options)
        if (verdict._tag === "Made") return verdict
        if (verdict._tag === "NotMade") notMade++
        // The latest first: they are in the order of their likelihood.
        else {
          const latest = new Map<string, VideoResource>(verdict.candidates.map((video) => [video.id, video]))
          for (const [id, video] of shown) if (!latest.has(id)) latest.set(id, video)
          shown = latest
        }
        const candidates = [...shown.values()].filter((video) => !claims.isKnown(video, entry))
        if (verdict._tag === "Unclear" && verdict.isFinal) return { ...verdict, candidates }
        const left = until - (yield* Clock.currentTimeMillis)
        if (left <= 0 && looks >= 2) {
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

  /** `attempt` sends the submission, and fails with `SubmissionUncertainError` where its outcome is unknown. */
  const run = <E>(
    submission: Submission,
    attempt: Effect.Effect<Answered, E | Uncertain>
  ): Effect.Effect<VideoResource, E | Uncertain> => {
    const { call } = submission
    const options: SubmitOptions | undefined = call.options
    const mode = options?.onUnknownOutcome ?? policy.onUnknownOutcome
    const mayResend = options?.retry !== false

    type Answer = Effect.Effect<VideoResource, E | Uncertain>

    const giveUp = (error: Uncertain, detail: string, candidates: ReadonlyArray<VideoResource> = []) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const open = candidates.filter((video) => !claims.isHeld(video.id) || claims.isLater(video))
        for (const { id } of open) claims.name(id, now)
        const { idempotencyKey, operation, reason } = error
        return Effect.fail(new Uncertain({ operation, idempotencyKey, reason, candidates: open, detail }))
      })

    /** `lost` is why it is not the first time. */
    const send = (entry: Entry, lost: Lost | null): Answer =>
      Effect.flatMap(Clock.currentTimeMillis, (sentAt) =>
        Effect.matchEffect(attempt, {
          onSuccess: (answer) =>
            Effect.flatMap(Clock.currentTimeMillis, (now): Answer => {
              const { video } = answer
              // A source that has not ended is worked on in its place, as a server may do that keeps one id for a clip.
              const isSource = video.id === entry.sought.source
              if (isSource && isTerminal(video)) return denied(entry, answer, { lost, sentAt, named: "source" })
              if (!isSource && claims.isOthers(entry, video))
                return denied(entry, answer, { lost, sentAt, named: "another" })
              claims.hold(entry, video, now)
              return Effect.succeed(video)
            }),
          onFailure: (error) => {
            const isUnknown = error instanceof Uncertain
            if (!isUnknown && lost === null) return Effect.fail(error)
            claims.lost(entry)
            const times = (lost?.times ?? 0) + 1
            if (isUnknown) return unknown(entry, { error, times, sentAt, named: null })
            // What the server says to the second says nothing of the first.
            return lost === null ? Effect.fail(error) : giveUp(lost.error, `sent again, it failed: ${messageOf(error)}`)
          }
        })
      )

    /** Whoever was told of it first keeps it; what came of this submission is as open as if its answer were lost. */
    const denied = (
      entry: Entry,
      { doubt, video }: Answered,
      { lost, named, sentAt }: Pick<Lost, "named" | "sentAt"> & { readonly lost: Lost | null }
    ): Answer =>
      Effect.suspend(() => {
        claims.lost(entry)
        const whose = named === "source" ? "the job that it is to derive from" : "the job of another submission"
        const error = new Uncertain({
          operation: call.operation,
          idempotencyKey: submission.idempotencyKey,
          reason: doubt(`it names ${video.id}, ${whose}`),
          candidates: [],
          detail: null
        })
        const times = (lost?.times ?? 0) + 1
        if (lost === null || lost.named === null) return unknown(entry, { error, times, sentAt, named })
        const detail = "sent again, it was answered so again: this server may take requests that are alike for one"
        return giveUp(error, detail)
      })

    const again = (entry: Entry, lost: Lost): Answer =>
      Effect.suspend(() => {
        claims.sendAgain(entry)
        return send(entry, lost)
      })

    const unknown = (entry: Entry, lost: Lost): Answer => {
      const { error, times } = lost
      if (mode === "fail") return Effect.fail(error)
      // Looking takes time, and this caller has none left.
      if (error.reason._tag === "RequestTimeoutError" && error.reason.option === "totalTimeout") {
        return giveUp(error, "`totalTimeout` leaves no time to look at the list")
      }
      const hindrance = !mayResend
        ? "`retry: false` forbids to send it again"
        : times > maxResends
          ? `it was sent ${times} times`
          : lost.named === "source"
            ? "a server that changes a job in place would do so again"
            : null
      if (mode === "resend") {
        return hindrance === null
          ? Effect.zipRight(Effect.sleep(firstPause * 2 ** (times - 1)), again(entry, lost))
          : giveUp(error, hindrance)
      }
      return Effect.flatMap(settle(entry, lost, options), (verdict): Answer => {
        switch (verdict._tag) {
          case "Made":
            return Effect.as(said(submission, "adopted", { videoId: verdict.video.id }), verdict.video)
          case "Unclear":
            return giveUp(error, verdict.detail, verdict.candidates)
          case "NotMade":
            return hindrance === null
              ? Effect.zipRight(said(submission, "sent again", {}), again(entry, lost))
              : giveUp(error, `it is not on the list; ${hindrance}`)
        }
      })
    }

    // Interruption is prompt, and leaves word: a program that waits no longer may have paid.
    return Effect.acquireUseRelease(
      Effect.map(Clock.currentTimeMillis, (now) => claims.begin(submission, now)),
      (entry) => send(entry, null),
      (entry, exit) => {
        if (Exit.isInterrupted(exit)) {
          claims.end(entry, "interrupted")
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
