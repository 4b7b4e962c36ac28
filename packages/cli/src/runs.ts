/** `runs`: the durable runs of a database, from any process. */
import { randomUUID } from "node:crypto"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { DurableVideosService, Run } from "@effect-videos/durable"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { clientLayer, type Database, database, engine } from "./durable.js"
import { RunNotDoneError, UsageError } from "./errors.js"
import * as options from "./options.js"
import { runRecord } from "./records.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { jobSource } from "./sources.js"
import { quote } from "./text.js"
import { makeWriter, progressText, runsTable, writeRun } from "./writer.js"

/** Uses the service over the database, which is closed again. */
const withRuns = <A, E, R>(
  given: Database,
  isNew: boolean,
  use: (durable: DurableVideosService) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(engine, ({ DurableVideos }) =>
    Effect.provide(Effect.flatMap(DurableVideos, use), clientLayer(given, { isNew }))
  )

type Refusals = ReadonlyArray<readonly [option: string, isGiven: boolean]>

const refuse = (refused: Refusals, problem: string) => {
  const [field] = refused.find(([, isGiven]) => isGiven) ?? []
  return field === undefined ? Effect.void : new UsageError({ field, problem })
}

interface ToLength {
  readonly to: Option.Option<Duration.Duration>
  readonly next: ReadonlyArray<string>
  readonly maxSegments: Option.Option<number>
  readonly maxCost: Option.Option<number>
}

/** Options that mean nothing without a length to reach. */
export const needsTo = ({ maxCost, maxSegments, next }: ToLength, others: Refusals) =>
  refuse(
    [
      ["--then", next.length > 0],
      ["--max-segments", Option.isSome(maxSegments)],
      ["--max-cost", Option.isSome(maxCost)],
      ...others
    ],
    "needs `--to`"
  )

interface Later extends options.Submission, Database, ToLength {
  readonly source: string
  readonly seconds: Option.Option<number>
  readonly size: Option.Option<string>
  readonly model: Option.Option<string>
}

const optional = <Name extends string, A>(name: Name, value: Option.Option<A>) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: value }) as { readonly [name in Name]: A } })

/** How the run of these options is started, and with which request. */
const startOf = (options: Later, prompt: string) =>
  Effect.gen(function* () {
    const { maxCost, maxSegments, model, seconds, size, to } = options
    const common = {
      video: yield* jobSource(options.source),
      ...(Object.keys(options.extraBody).length === 0 ? {} : { extraBody: options.extraBody })
    }
    if (Option.isSome(to)) {
      const request = {
        ...common,
        totalSeconds: Duration.toSeconds(to.value),
        prompts: [prompt, ...options.next] as const,
        ...optional("segmentSeconds", seconds),
        ...optional("size", size),
        ...optional("model", model),
        ...optional("maxSegments", maxSegments),
        ...optional(
          "maxCost",
          Option.map(maxCost, (amount) => ({ amount, currency: "USD" }))
        )
      }
      return (durable: DurableVideosService, key: string) => durable.extendTo(request, { key })
    }
    yield* needsTo(options, [
      ["--size", Option.isSome(size)],
      ["--model", Option.isSome(model)]
    ])
    if (Option.isNone(seconds)) return yield* new UsageError({ field: "--seconds", problem: "is missing" })
    const request = { ...common, prompt, seconds: seconds.value }
    return (durable: DurableVideosService, key: string) => durable.extend(request, { key })
  })

/** `extend --durable`: records the run, and returns. A worker runs it. */
export const extendLater = (given: Later, refused: Refusals) =>
  Effect.gen(function* () {
    const prompt = yield* options.promptOf(given)
    yield* refuse(refused, "cannot be used with `--durable`: `worker` and `runs` have it")
    const start = yield* startOf(given, prompt)
    const key = Option.getOrElse(given.idempotencyKey, () => randomUUID())
    const run = yield* withRuns(given, true, (durable) => start(durable, key))
    yield* Effect.flatMap(makeWriter(given), (writer) => writer.write(runRecord(run), () => `${run.execution}\n`))
    const screen = yield* Screen
    if (!screen.terminal.err) return
    const { program } = yield* Session
    const where = Option.match(given.database, { onNone: () => [], onSome: (file) => ["--database", file] })
    const line = (...words: ReadonlyArray<string>) => `  ${[program, ...words, ...where].map(quote).join(" ")}\n`
    yield* screen.err(`Next:\n${line("worker")}${line("runs", "wait", run.execution.slice(0, 8))}`)
  })

/** A whole execution id; its beginning stands for the one run, of the newest 1,000, whose id begins so. */
const wholeId = (durable: DurableVideosService, given: string) => {
  if (given.length >= 32) return Effect.succeed(given)
  // Every id begins with an empty text, which is what a variable of a script holds that was not set.
  return given.length < 4
    ? new UsageError({ field: "EXECUTION", problem: "must be an execution id, or its first 4 characters or more" })
    : Effect.flatMap(durable.list({ limit: 1000 }), (runs) => {
        const found = runs.filter(({ execution }) => execution.startsWith(given))
        return found.length > 1
          ? new UsageError({ field: given, problem: `is the beginning of ${found.length} execution ids` })
          : Effect.succeed(found[0]?.execution ?? given)
      })
}

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
          Stream.map((run) => ({ state: run.state, text: progressText(run) })),
          Stream.changesWith((a, b) => a.text === b.text),
          Stream.tap(({ text }) => screen.err(`${text}\n`)),
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
