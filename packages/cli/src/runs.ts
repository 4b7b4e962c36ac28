/** `runs`: the durable runs of a database, from any process. */
import { randomUUID } from "node:crypto"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { DurableVideosService, Run } from "@effect-videos/durable"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { clientLayer, type Database, database, engine } from "./durable.js"
import { RunNotDoneError, UsageError } from "./errors.js"
import * as options from "./options.js"
import { runRecord } from "./records.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { quote } from "./text.js"
import { makeWriter, runsTable, writeRun } from "./writer.js"

/** Uses the service over the database, which is closed again. */
const withRuns = <A, E, R>(
  given: Database,
  isNew: boolean,
  use: (durable: DurableVideosService) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(engine, ({ DurableVideos }) =>
    Effect.provide(Effect.flatMap(DurableVideos, use), clientLayer(given, { isNew }))
  )

/** `extend --durable`: records the run, and returns. A worker runs it. */
export const extendLater = (
  given: options.Submission & Database & { readonly source: string; readonly seconds: number },
  refused: ReadonlyArray<readonly [option: string, isGiven: boolean]>
) =>
  Effect.gen(function* () {
    const prompt = yield* options.promptOf(given)
    const other = refused.find(([, isGiven]) => isGiven)?.[0]
    if (other !== undefined) {
      return yield* new UsageError({
        field: other,
        problem: "cannot be used with `--durable`: `worker` and `runs` have it"
      })
    }
    const request = {
      video: given.source,
      prompt,
      seconds: given.seconds,
      ...(Object.keys(given.extraBody).length === 0 ? {} : { extraBody: given.extraBody })
    }
    const key = Option.getOrElse(given.idempotencyKey, () => randomUUID())
    const run = yield* withRuns(given, true, (durable) => durable.extend(request, { key }))
    yield* Effect.flatMap(makeWriter(given), (writer) => writer.write(runRecord(run), () => `${run.execution}\n`))
    const screen = yield* Screen
    if (!screen.terminal.err) return
    const { program } = yield* Session
    const where = Option.match(given.database, { onNone: () => [], onSome: (file) => ["--database", file] })
    const line = (...words: ReadonlyArray<string>) => `  ${[program, ...words, ...where].map(quote).join(" ")}\n`
    yield* screen.err(`Next:\n${line("worker")}${line("runs", "wait", run.execution.slice(0, 8))}`)
  })

/** A whole execution id; its beginning stands for the one run, of the newest 1,000, whose id begins so. */
const wholeId = (durable: DurableVideosService, given: string) =>
  given.length >= 32
    ? Effect.succeed(given)
    : Effect.flatMap(durable.list({ limit: 1000 }), (runs) => {
        const found = runs.filter(({ execution }) => execution.startsWith(given))
        return found.length > 1
          ? new UsageError({ field: given, problem: `is the beginning of ${found.length} execution ids` })
          : Effect.succeed(found[0]?.execution ?? given)
      })

const execution = Args.text({ name: "EXECUTION" })

const common = { database, ...options.format }

const list = Command.make(
  "list",
  { limit: Options.withDefault(options.integer("limit", 1, 1000), 20), open: Options.boolean("open"), ...common },
  (given) =>
    Effect.gen(function* () {
      const { isEnded, RunState } = yield* engine
      const screen = yield* Screen
      const writer = yield* makeWriter(given)
      const states = given.open ? RunState.literals.filter((state) => !isEnded(state)) : undefined
      const runs = yield* withRuns(given, false, (durable) => durable.list({ limit: given.limit, states }))
      if (writer.json) return yield* Effect.forEach(runs, (run) => writeRun(writer, run), { discard: true })
      const columns = screen.terminal.out ? screen.size().columns : Number.MAX_SAFE_INTEGER
      yield* runs.length === 0 ? screen.err("No runs.\n") : screen.out(runsTable(runs, columns, styles(screen).out))
    })
)

/** A command for one run, which it shows afterwards. */
const forOne = <E, R>(
  given: Database & options.Shown & { readonly execution: string },
  use: (durable: DurableVideosService, execution: string) => Effect.Effect<Run, E, R>
) =>
  Effect.gen(function* () {
    const writer = yield* makeWriter(given)
    const run = yield* withRuns(given, false, (durable) =>
      Effect.flatMap(wholeId(durable, given.execution), (execution) => use(durable, execution))
    )
    yield* writeRun(writer, run)
    return run
  })

const show = Command.make("show", { execution, ...common }, (given) =>
  forOne(given, (durable, execution) => durable.get(execution))
)

const wait = Command.make(
  "wait",
  { execution, timeout: Options.optional(options.duration("timeout")), ...common },
  (given) =>
    Effect.gen(function* () {
      const { isEnded } = yield* engine
      const screen = yield* Screen
      const run = yield* forOne(given, (durable, execution) => {
        const updates = durable.watch(execution).pipe(
          Stream.changesWith((a, b) => a.state === b.state && a.problem === b.problem),
          Stream.tap(({ problem, state }) => screen.err(`${problem === null ? state : `${state}: ${problem}`}\n`)),
          // It needs a decision, which may take any time.
          Stream.takeUntil(({ state }) => isEnded(state) || state === "uncertain"),
          Stream.runDrain
        )
        const inTime = Option.match(given.timeout, {
          onNone: () => updates,
          onSome: (timeout) => Effect.asVoid(Effect.timeoutOption(updates, timeout))
        })
        return Effect.zipRight(inTime, durable.get(execution))
      })
      if (run.state !== "done") return yield* new RunNotDoneError(run)
    })
)

const cancel = Command.make("cancel", { execution, deleteJob: Options.boolean("delete-job"), ...common }, (given) =>
  forOne(given, (durable, execution) => durable.cancel(execution, { deleteJob: given.deleteJob }))
)

const resolve = Command.make("resolve", { execution, decision: Args.text({ name: "DECISION" }), ...common }, (given) =>
  forOne(given, (durable, execution) =>
    durable.resolve(execution, given.decision === "give-up" ? "give up" : given.decision)
  )
)

const retry = Command.make("retry", { execution, ...common }, (given) =>
  forOne(given, (durable, execution) => durable.retry(execution))
)

export const runs = Command.make("runs").pipe(Command.withSubcommands([list, show, wait, cancel, resolve, retry]))
