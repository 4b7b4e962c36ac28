/**
 * The steps of `extendTo`: each segment is a run of its own, which is recorded under a key that this run and the number of the
 * segment decide. The plan is stored before a segment is started, and after it has ended.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ExtendToOptions, Segments } from "effect-videos/continue"
import { isTransient } from "effect-videos/Errors"
import { isTerminal, phaseOf, type VideoResource } from "effect-videos/Schema"
import { Videos } from "effect-videos/Videos"
import { ExtendRequest, ExtendToRequest, isEnded, type RunOutcome } from "../Runs.js"
import { VideoStore } from "../VideoStore.js"
import { apart, type Engine } from "./engine.js"
import { filmOptions, type Tools } from "./films.js"
import { fingerprintOf } from "./fingerprint.js"
import { encodePlan, type Pending, type Plan, reachedOf, segmentedClip } from "./runPlan.js"
import { fieldsOf, type RunRow } from "./runRow.js"
import { RunTable, waitingFor } from "./runTable.js"
import { Checkpoint, Settings } from "./settings.js"
import { executionOf, record, start, unsettledOf, wakeRun } from "./startRun.js"
import { end, go, type Next, type Step, type Steps } from "./steps.js"
import { SegmentRequest } from "./submitOnce.js"

const decodeRequest = Schema.decodeUnknownEither(Schema.parseJson(ExtendToRequest))

const encodeExtension = Schema.encodeSync(Schema.parseJson(ExtendRequest))
const encodeSegment = Schema.encodeSync(Schema.parseJson(SegmentRequest))

/** What a step works with. */
interface Work {
  readonly row: RunRow
  readonly request: ExtendToRequest
}

const isNext = (made: Plan | Next): made is Next => "_tag" in made

const undisturbed = { tries: 0, problem: null, candidates: null } as const

const kindOf = (way: Pending["way"]) => (way === "extended" ? "extend" : "create")

export const makeExtendTo = ({ begin, change, notStored, postpone, store, wait }: Steps) =>
  Effect.gen(function* () {
    const videos = yield* Videos
    const clips = yield* VideoStore
    const table = yield* RunTable
    const settings = yield* Settings
    const checkpoint = yield* Checkpoint
    const isWhole = yield* Segments.isWhole
    const tools = yield* Effect.context<Tools>()
    const inEngine = apart(yield* Effect.context<Engine>())

    const get = (execution: string) => Effect.orDie(table.get(execution))

    const save = (row: RunRow, plan: Plan): Effect.Effect<Plan> =>
      Effect.as(change(row.execution_id, { plan: encodePlan(plan), ...undisturbed, state: "waiting" }), plan)

    const later = (row: RunRow, problem: string) =>
      postpone(row, problem, { state: row.plan === null ? "submitting" : "waiting" })

    /** The first attempt names the segments of all attempts. */
    const rootOf = ({ run_key }: RunRow) => executionOf("extendTo", run_key, 1)

    // -------------------------------------------------------------------------
    // films
    // -------------------------------------------------------------------------

    /** The length and the size of a film in the store. */
    const measure = ({ request }: Work, name: string) =>
      Effect.flatMap(clips.file(name), (path) => Segments.measure(path, filmOptions(request, settings))).pipe(
        Effect.scoped,
        Effect.provide(tools)
      )

    /** Reads the job, which has ended; `null` if the server does not have it any more. */
    const jobOf = (id: string) =>
      videos.retrieve(id).pipe(
        Effect.catchIf(
          (error) => !isTransient(error),
          () => Effect.succeed(null)
        )
      )

    // -------------------------------------------------------------------------
    // the source
    // -------------------------------------------------------------------------

    const planFrom = (work: Work) =>
      Effect.gen(function* () {
        const { request, row } = work
        const { prompts, totalSeconds, video } = request
        const checked = yield* Effect.either(
          Segments.check(totalSeconds, prompts, {
            ...request,
            ...filmOptions(request, settings),
            // It was stored as JSON.
            extraBody: request.extraBody as ExtendToOptions["extraBody"]
          })
        )
        if (checked._tag === "Left") return end("refused", checked.left.message)
        const read = yield* Effect.either(videos.retrieve(video))
        if (read._tag === "Left") {
          const { left: error } = read
          return isTransient(error) ? yield* later(row, error.message) : end("refused", error.message)
        }
        const source = read.right
        if (phaseOf(source) === "failed") return end("refused", `the source ${video} has failed`)
        if (!isTerminal(source)) {
          const problem = `the source ${video} has not completed`
          return yield* wait(row, Duration.toMillis(settings.polling.max), { state: "waiting", problem })
        }
        const name = `${yield* rootOf(row)}-source`
        let { seconds } = source
        if (seconds === null) {
          const stored = yield* Effect.either(store(name, source.id))
          if (stored._tag === "Left") return yield* notStored(row, stored.left)
          const film = yield* Effect.either(measure(work, name))
          if (film._tag === "Left") return yield* later(row, film.left.message)
          seconds = film.right.seconds
        }
        return yield* save(row, {
          from: seconds,
          films: [{ name, jobId: source.id, seconds }],
          done: [],
          pending: null,
          submissions: 0,
          costs: [],
          refusal: null
        })
      }).pipe(Effect.provideService(Videos, videos))

    // -------------------------------------------------------------------------
    // the next segment
    // -------------------------------------------------------------------------

    const limitReached = ({ request }: Work, plan: Plan): Next | null => {
      const limit = Segments.limitOf(plan, request)
      if (limit === null) return null
      const { submissions } = plan
      const seconds = reachedOf(plan, request).toFixed(1)
      const jobs = `${submissions} ${submissions === 1 ? "job was" : "jobs were"} submitted`
      return end("failed", `stopped at ${seconds} s by ${limit}: ${jobs}. The same call with a higher limit goes on.`)
    }

    /** The request of a clip of its own, from the last film, which has to be in the store for it. */
    const segmentRequest = (work: Work, plan: Plan, next: Segments.NextSegment) =>
      Effect.gen(function* () {
        const { extraBody, seam, size, windowSeconds } = work.request
        const film = Arr.lastNonEmpty(plan.films)
        const stored = yield* Effect.either(store(film.name, film.jobId))
        if (stored._tag === "Left") return yield* notStored(work.row, stored.left)
        const frame = size === undefined ? yield* Effect.either(measure(work, film.name)) : null
        if (frame?._tag === "Left") return yield* later(work.row, frame.left.message)
        const { model, prompt, seconds } = next
        return encodeSegment({
          prompt,
          seconds,
          size: size ?? `${frame?.right.width}x${frame?.right.height}`,
          ...(model === undefined ? {} : { model }),
          ...(extraBody === undefined ? {} : { extraBody }),
          continues: {
            clip: film.name,
            ...(seam === undefined ? {} : { seam }),
            ...(windowSeconds === undefined ? {} : { windowSeconds })
          }
        })
      })

    const extensionRequest = ({ request: { extraBody } }: Work, plan: Plan, next: Segments.NextSegment) =>
      encodeExtension({
        video: Arr.lastNonEmpty(plan.films).jobId,
        prompt: next.prompt,
        seconds: next.seconds,
        ...(extraBody === undefined ? {} : { extraBody })
      })

    const planSegment = (work: Work, plan: Plan) =>
      Effect.gen(function* () {
        const { request, row } = work
        const { refusal } = plan
        const isRefused = refusal !== null && (refusal.segment ?? plan.done.length + 1) === plan.done.length + 1
        const next = yield* Segments.next(segmentedClip(plan, request), {
          ...request,
          refusal: isRefused ? refusal.problem : null
        })
        if (next === null) return go
        const stop = limitReached(work, plan)
        if (stop !== null) return stop
        const made =
          next.way === "extended" ? extensionRequest(work, plan, next) : yield* segmentRequest(work, plan, next)
        if (typeof made !== "string") return made
        const { seconds, segment, way } = next
        const key = `${yield* rootOf(row)}/${segment}`
        const attempt = ((yield* Effect.orDie(table.latest(kindOf(way), key)))?.attempt ?? 0) + 1
        const planned = yield* save(row, {
          ...plan,
          submissions: plan.submissions + 1,
          pending: {
            segment,
            way,
            seconds,
            request: made,
            attempt,
            execution: yield* executionOf(kindOf(way), key, attempt),
            isCounted: false
          }
        })
        yield* checkpoint("after plan")
        return planned
      }).pipe(Effect.provideService(Videos, videos))

    // -------------------------------------------------------------------------
    // the run of a segment
    // -------------------------------------------------------------------------

    /** Records and starts it, unless that was done. */
    const startSegment = ({ row }: Work, { attempt, request, segment, way }: Pending) =>
      Effect.gen(function* () {
        const kind = kindOf(way)
        const run_key = `${yield* rootOf(row)}/${segment}`
        const before = yield* Effect.orDie(table.latest(kind, run_key))
        const execution = yield* Effect.orDie(
          record(table, {
            kind,
            run_key,
            attempt,
            request,
            fingerprint: yield* fingerprintOf(request),
            server: row.server,
            parent: row.execution_id,
            unsettled: unsettledOf(before)
          })
        )
        const made = yield* get(execution)
        if (made === null) return yield* Effect.dieMessage(`segment ${segment} of ${row.execution_id} was not recorded`)
        return made
      })

    const waitForSegment = ({ row }: Work, segment: RunRow) =>
      Effect.gen(function* () {
        if (segment.state === "accepted") yield* inEngine(start(segment))
        if (row.cancel !== null && segment.cancel !== row.cancel) {
          yield* inEngine(wakeRun(yield* change(segment.execution_id, { cancel: row.cancel })))
        }
        const age = (yield* Clock.currentTimeMillis) - segment.created_at
        const pause = Math.min(Math.max(age, Duration.toMillis(settings.safetyNet)), 3_600_000)
        const next = yield* wait(row, pause, waitingFor(segment))
        // What happened before this run was waiting did not wake it.
        const after = (yield* get(segment.execution_id)) ?? segment
        if (after.version !== segment.version) yield* change(row.execution_id, waitingFor(after))
        return next._tag === "Wait" && after.ended_at !== null ? { ...next, at: 0 } : next
      })

    /** A segment that ended otherwise in an earlier attempt, and is begun again. */
    const restart = (work: Work, plan: Plan, pending: Pending, segment: RunRow) =>
      Effect.gen(function* () {
        const isPaid = segment.job_id !== null
        const stop = isPaid ? limitReached(work, plan) : null
        if (stop !== null) return stop
        const attempt = pending.attempt + 1
        const execution = yield* executionOf(segment.kind, segment.run_key, attempt)
        return yield* save(work.row, {
          ...plan,
          submissions: plan.submissions + (isPaid ? 1 : 0),
          pending: { ...pending, attempt, execution, isCounted: false }
        })
      })

    /** The films with what the job made: in the place of the last one, if it is the whole. */
    const filmsWith = (
      work: Work,
      plan: Plan,
      { seconds, way, ...pending }: Pending,
      video: VideoResource | null,
      jobId: string
    ) =>
      Effect.gen(function* () {
        const name = pending.execution
        const before = Arr.initNonEmpty(plan.films)
        const last = Arr.lastNonEmpty(plan.films)
        if (way === "extended" && isWhole) {
          const whole = video?.seconds ?? 0
          return Arr.append(before, { name, jobId, seconds: whole > last.seconds ? whole : last.seconds + seconds })
        }
        const film = yield* measure(work, name)
        const made = { name, jobId, seconds: film.seconds }
        const isWholeFilm = way === "extended" && film.seconds > last.seconds + seconds / 2
        return film.count < 2 ? null : Arr.append(isWholeFilm ? before : plan.films, made)
      })

    const completeSegment = (work: Work, plan: Plan, pending: Pending, jobId: string) =>
      Effect.gen(function* () {
        const video = yield* Effect.either(jobOf(jobId))
        if (video._tag === "Left") return yield* later(work.row, video.left.message)
        const films = yield* Effect.either(filmsWith(work, plan, pending, video.right, jobId))
        if (films._tag === "Left") return yield* later(work.row, `segment ${pending.segment}: ${films.left.message}`)
        if (films.right === null) {
          return end("failed", `segment ${pending.segment}: job ${jobId} made one picture, and nothing was added`)
        }
        const { execution, seconds, segment, way } = pending
        const after = yield* save(work.row, {
          ...plan,
          films: films.right,
          done: [...plan.done, { segment, way, execution, jobId, seconds }],
          pending: null,
          costs: [...plan.costs, video.right?.cost ?? null]
        })
        yield* checkpoint("after segment")
        return after
      })

    const endedOtherwise = (work: Work, plan: Plan, pending: Pending, segment: RunRow) =>
      Effect.gen(function* () {
        const { job_id, problem, refusal, state } = segment
        if (state === "refused" && pending.way === "extended" && refusal !== null) {
          const only = refusal === "clip" ? pending.segment : null
          return yield* save(work.row, {
            ...plan,
            submissions: plan.submissions - 1,
            pending: null,
            refusal: { problem: problem ?? "", segment: only }
          })
        }
        if (state === "failed" && job_id !== null && !pending.isCounted) {
          const video = yield* Effect.either(jobOf(job_id))
          if (video._tag === "Left") return yield* later(work.row, video.left.message)
          const cost = video.right?.cost
          // What a failed job costs is counted if the server says it.
          const costs = cost === undefined ? plan.costs : [...plan.costs, cost]
          return yield* save(work.row, { ...plan, costs, pending: { ...pending, isCounted: true } })
        }
        if (work.row.cancel !== null) return end("cancelled")
        if (segment.parent !== work.row.execution_id) return yield* restart(work, plan, pending, segment)
        const why = `segment ${pending.segment}: ${problem ?? state}`
        return end(state as Exclude<RunOutcome["state"], "done">, why)
      })

    const goOn = (work: Work, plan: Plan) =>
      Effect.gen(function* () {
        const { pending } = plan
        const isCancelled = work.row.cancel !== null
        if (pending === null) return isCancelled ? end("cancelled") : yield* planSegment(work, plan)
        const found = yield* get(pending.execution)
        // Recorded in the plan, and not started.
        if (found === null && isCancelled) return end("cancelled")
        const segment = found ?? (yield* startSegment(work, pending))
        if (!isEnded(segment.state)) return yield* waitForSegment(work, segment)
        return segment.state === "done" && segment.job_id !== null
          ? yield* completeSegment(work, plan, pending, segment.job_id)
          : yield* endedOtherwise(work, plan, pending, segment)
      })

    const extend: Step = (execution) =>
      Effect.gen(function* () {
        const row = yield* begin(execution)
        const request = decodeRequest(row.request)
        if (request._tag === "Left") {
          if (row.cancel !== null && row.plan === null) return end("cancelled")
          return yield* later(row, `this version cannot read the run's request: ${fieldsOf(request.left).join(", ")}`)
        }
        const work: Work = { row, request: request.right }
        let made: Plan | Next = row.plan ?? (row.cancel !== null ? end("cancelled") : yield* planFrom(work))
        while (!isNext(made)) made = yield* goOn(work, made)
        return made
      }).pipe(Effect.annotateLogs({ execution, server: settings.server }))

    // -------------------------------------------------------------------------
    // the file
    // -------------------------------------------------------------------------

    /** All films as one file in the store. */
    const joinInto = (execution: string, { request }: Work, films: ReadonlyArray<Plan["films"][number]>) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = (yield* Path.Path).join(yield* fs.makeTempDirectoryScoped({ prefix: "join-" }), "joined.mp4")
        yield* Effect.forEach(films, ({ jobId, name }) => store(name, jobId), { discard: true })
        const [first, second, ...others] = yield* Effect.forEach(films, ({ name }) => clips.file(name))
        if (first === undefined || second === undefined) return yield* Effect.dieMessage("two films or more are joined")
        yield* Segments.join([first, second, ...others], path, filmOptions(request, settings))
        return yield* clips.put(execution, path)
      }).pipe(Effect.scoped, Effect.provide(tools))

    /** The only film: from the store, if it had to be measured there. */
    const copyInto = (execution: string, { jobId, name }: Plan["films"][number]) =>
      Effect.flatMap(clips.find(name), (found) =>
        found === null
          ? store(execution, jobId)
          : Effect.scoped(Effect.flatMap(clips.file(name), (path) => clips.put(execution, path)))
      )

    const saveFile: Step = (execution) =>
      Effect.gen(function* () {
        const row = yield* begin(execution)
        const request = decodeRequest(row.request)
        const { plan } = row
        if (row.cancel !== null) return end("cancelled")
        if (plan === null || request._tag === "Left") return yield* Effect.dieMessage(`run ${execution} has no plan`)
        yield* change(execution, { state: "downloading" })
        yield* checkpoint("before save")
        const [only, ...others] = plan.films
        const saved = yield* Effect.either(
          Effect.flatMap(clips.find(execution), (found) => {
            if (found !== null) return Effect.succeed(found)
            return others.length === 0
              ? copyInto(execution, only)
              : joinInto(execution, { row, request: request.right }, plan.films)
          })
        )
        if (saved._tag === "Left") return yield* notStored(row, saved.left)
        const { bytes, location } = saved.right
        yield* change(execution, { location, bytes, ...undisturbed })
        yield* checkpoint("after save")
        const names = [`${yield* rootOf(row)}-source`, ...plan.done.map(({ execution }) => execution)]
        yield* Effect.forEach(names, clips.remove, { discard: true }).pipe(
          Effect.catchAll((error) => Effect.logWarning(`a segment of ${execution} is kept: ${error.message}`))
        )
        return go
      })

    return { extend, save: saveFile }
  })
