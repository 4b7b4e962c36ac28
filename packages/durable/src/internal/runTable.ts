/**
 * The table of runs: the journal of each run, and what other processes see of it. It lives in the engine's database, and it
 * outlives what the engine stores: the key of a run stays taken.
 */
import { SqlClient } from "@effect/sql"
import * as Migrator from "@effect/sql/Migrator"
import { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { DatabaseUnavailableError, DatabaseVersionError } from "../errors.js"
import { Candidate, openStates } from "../Runs.js"
import { type Columns, fieldsOf, RunRow } from "./runRow.js"

const columns = `
  execution_id TEXT PRIMARY KEY, kind TEXT NOT NULL, run_key TEXT NOT NULL, attempt BIGINT NOT NULL,
  fingerprint TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, server TEXT NOT NULL,
  idempotency_key TEXT NOT NULL, baseline TEXT, intent_at BIGINT, sent_at BIGINT, sends BIGINT NOT NULL,
  job_id TEXT, status TEXT, progress DOUBLE PRECISION, candidates TEXT, problem TEXT, location TEXT, bytes BIGINT,
  cancel TEXT, resolution TEXT, round BIGINT NOT NULL, tries BIGINT NOT NULL, missing_since BIGINT, wake_at BIGINT,
  nudges BIGINT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  ended_at BIGINT, UNIQUE (kind, run_key, attempt), UNIQUE (server, job_id)`

const statements: ReadonlyArray<string> = [
  `CREATE TABLE effect_video_runs (${columns})`,
  "CREATE INDEX effect_video_runs_state ON effect_video_runs (state, wake_at)",
  "CREATE INDEX effect_video_runs_created ON effect_video_runs (created_at)"
]

const migrationsTable = "effect_video_migrations"

/** Each version of the schema, in order. A released one is never changed. */
const migrations = {
  "0001_runs": Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
  ),
  "0002_budget": Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.unsafe(
      "CREATE TABLE effect_video_budget (key TEXT PRIMARY KEY, tokens DOUBLE PRECISION, result DOUBLE PRECISION, at DOUBLE PRECISION)"
    )
  ),
  "0003_segments": Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(
      ["parent", "plan", "refusal"],
      (column) => sql.unsafe(`ALTER TABLE effect_video_runs ADD COLUMN ${column} TEXT`),
      { discard: true }
    )
  )
}

const supported = Object.keys(migrations).length

const detailOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}

/** Which database it is, for errors: without credentials. */
export class DatabaseName extends Context.Tag("effect-videos/durable/DatabaseName")<DatabaseName, string>() {}

const migrate = (database: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: migrationsTable })
    const rows = yield* sql<{
      readonly latest: unknown
    }>`SELECT MAX(migration_id) AS latest FROM ${sql(migrationsTable)}`
    const found = Number(rows[0]?.latest ?? 0)
    if (found > supported) return yield* new DatabaseVersionError({ database, found, supported })
  }).pipe(
    // Two processes that start at once may meet in the middle of it.
    Effect.retry({
      times: 3,
      schedule: Schedule.spaced("200 millis"),
      while: ({ _tag }) => _tag !== "DatabaseVersionError"
    }),
    Effect.catchAllCause((cause): Effect.Effect<never, DatabaseUnavailableError | DatabaseVersionError> => {
      const error = Cause.squash(cause)
      return error instanceof DatabaseVersionError
        ? Effect.fail(error)
        : Effect.fail(new DatabaseUnavailableError({ operation: "DurableVideos", database, detail: detailOf(error) }))
    })
  )

/** The engine makes a defect of tables that it cannot make or read. Here it is an error of the layer. */
export const orUnavailable =
  (operation: string, runner: string | null = null) =>
  <A, E, R>(engine: Layer.Layer<A, E, R>): Layer.Layer<A, DatabaseUnavailableError, R | DatabaseName> =>
    Layer.catchAllCause(engine, (cause) =>
      Cause.isInterruptedOnly(cause)
        ? Layer.failCause(cause as Cause.Cause<never>)
        : Layer.unwrapEffect(
            Effect.map(DatabaseName, (name) => {
              const database = runner === null ? name : `${name}, listening on ${runner}`
              return Layer.fail(
                new DatabaseUnavailableError({ operation, database, detail: detailOf(Cause.squash(cause)) })
              )
            })
          )
    )

/** What a run of `extendTo` shows of the segment that it waits for. */
export const waitingFor = (segment: RunRow) =>
  ({
    state: segment.state === "uncertain" ? "uncertain" : "waiting",
    problem:
      segment.problem === null || segment.ended_at !== null
        ? null
        : `segment ${segment.run_key.split("/").at(-1)}: ${segment.problem}`,
    candidates: segment.candidates === null ? null : JSON.stringify(encodeCandidates(segment.candidates))
  }) as const

const encodeCandidates = Schema.encodeSync(Schema.Array(Candidate))

const unreadable = (error: ParseResult.ParseError): SqlError => {
  const message = `effect_video_runs has a row that this version cannot read: ${fieldsOf(error).join(", ")}`
  return new SqlError({ cause: new Error(message), message })
}

const decodeRow = Schema.decodeUnknown(RunRow)

export interface RunTableService {
  readonly database: string
  /** Adds a row, unless one has its kind, key and attempt. */
  readonly insert: (row: typeof RunRow.Encoded) => Effect.Effect<void, SqlError>
  readonly get: (execution: string) => Effect.Effect<RunRow | null, SqlError>
  readonly some: (executions: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<RunRow>, SqlError>
  /** The latest attempt under a key. */
  readonly latest: (kind: string, key: string) => Effect.Effect<RunRow | null, SqlError>
  readonly byJob: (server: string, job: string) => Effect.Effect<RunRow | null, SqlError>
  /**
   * Changes a row, counts the change, and returns the row after it. A change of a segment is one of its run of `extendTo`, which
   * shows why the segment waits.
   */
  readonly update: (execution: string, change: Columns) => Effect.Effect<RunRow, SqlError>
  /** Gives a job to a run; `false` if another run has it. */
  readonly claim: (execution: string, server: string, job: string) => Effect.Effect<boolean, SqlError>
  /** Newest first, without the segments of other runs. */
  readonly list: (options: {
    readonly states?: ReadonlyArray<string> | undefined
    readonly limit: number
    readonly before?: string | undefined
  }) => Effect.Effect<ReadonlyArray<RunRow>, SqlError>
  /** Rows whose job runs. */
  readonly waiting: (server: string) => Effect.Effect<ReadonlyArray<RunRow>, SqlError>
  /**
   * Rows that should have gone on before `due`, or have not changed since `idle` although they work. A nudge changes a row: those
   * that were not nudged for longest come first.
   */
  readonly overdue: (due: number, idle: number) => Effect.Effect<ReadonlyArray<RunRow>, SqlError>
  /** Of these jobs, those that other runs have. */
  readonly held: (
    execution: string,
    server: string,
    jobs: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<string>, SqlError>
  /** Other runs whose request may have made a job that is not known, since a time. A later attempt counts for the ones before it. */
  readonly open: (execution: string, server: string, since: number) => Effect.Effect<ReadonlyArray<RunRow>, SqlError>
  /** How many runs are in each of the states that are not final. */
  readonly counts: Effect.Effect<ReadonlyMap<string, number>, SqlError>
  /** Whether a request is on its way whose job is not recorded yet. */
  readonly isSubmitting: (server: string) => Effect.Effect<boolean, SqlError>
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const database = yield* DatabaseName
  yield* migrate(database)
  const table = sql("effect_video_runs")
  const read = (
    rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>
  ): Effect.Effect<ReadonlyArray<RunRow>, SqlError> =>
    rows.pipe(
      // A short outage of the database, or a busy one.
      Effect.retry(Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(4))),
      Effect.flatMap((rows) => Effect.forEach(rows, (row) => Effect.mapError(decodeRow(row), unreadable)))
    )
  const one = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    Effect.map(read(rows), (rows) => rows[0] ?? null)

  const byJob: RunTableService["byJob"] = (server, job) =>
    one(sql`SELECT * FROM ${table} WHERE server = ${server} AND job_id = ${job}`)

  /** Not `updated_at`: the sweeper reads it, and a run that is overdue is overdue. */
  const showIn = (parent: string, segment: RunRow) =>
    read(
      sql`UPDATE ${table} SET ${sql.update(waitingFor(segment))}, version = version + 1 WHERE execution_id = ${parent} AND state IN ('waiting', 'uncertain') RETURNING *`
    )

  const service: RunTableService = {
    database,
    insert: (row) => Effect.asVoid(sql`INSERT INTO ${table} ${sql.insert({ ...row })} ON CONFLICT DO NOTHING`),
    get: (execution) => one(sql`SELECT * FROM ${table} WHERE execution_id = ${execution}`),
    some: (executions) =>
      executions.length === 0
        ? Effect.succeed([])
        : read(sql`SELECT * FROM ${table} WHERE ${sql.in("execution_id", executions)}`),
    latest: (kind, key) =>
      one(sql`SELECT * FROM ${table} WHERE kind = ${kind} AND run_key = ${key} ORDER BY attempt DESC LIMIT 1`),
    byJob,
    update: (execution, change) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.flatMap(
          one(
            sql`UPDATE ${table} SET ${sql.update({ ...change, updated_at: now })}, version = version + 1 WHERE execution_id = ${execution} RETURNING *`
          ),
          (row) =>
            row === null
              ? Effect.dieMessage(`run ${execution} is not in the table`)
              : row.parent === null
                ? Effect.succeed(row)
                : Effect.as(showIn(row.parent, row), row)
        )
      ),
    claim: (execution, server, job) =>
      sql`UPDATE ${table} SET job_id = ${job}, version = version + 1 WHERE execution_id = ${execution}`.pipe(
        Effect.as(true),
        Effect.catchAll((error) =>
          Effect.flatMap(byJob(server, job), (holder) =>
            holder === null ? Effect.fail(error) : Effect.succeed(holder.execution_id === execution)
          )
        )
      ),
    list: ({ before, limit, states }) =>
      read(
        sql`SELECT * FROM ${table} WHERE ${sql.and([
          sql`parent IS NULL`,
          states === undefined ? sql`1 = 1` : sql.in("state", states),
          before === undefined
            ? sql`1 = 1`
            : sql`EXISTS (SELECT 1 FROM ${table} last WHERE last.execution_id = ${before} AND (${table}.created_at < last.created_at OR (${table}.created_at = last.created_at AND ${table}.execution_id > last.execution_id)))`
        ])} ORDER BY created_at DESC, execution_id LIMIT ${limit}`
      ),
    waiting: (server) =>
      read(sql`SELECT * FROM ${table} WHERE state = 'waiting' AND server = ${server} AND job_id IS NOT NULL`),
    overdue: (due, idle) =>
      read(
        sql`SELECT * FROM ${table} WHERE ended_at IS NULL AND (wake_at < ${due} OR (wake_at IS NULL AND updated_at < ${idle}) OR (state = 'accepted' AND updated_at < ${due})) ORDER BY updated_at LIMIT 500`
      ),
    held: (execution, server, jobs) =>
      jobs.length === 0
        ? Effect.succeed([])
        : Effect.map(
            sql<{ readonly job_id: string }>`SELECT job_id FROM ${table} WHERE ${sql.and([
              sql`server = ${server}`,
              sql`execution_id <> ${execution}`,
              sql.in("job_id", jobs)
            ])}`,
            (rows) => rows.map(({ job_id }) => job_id)
          ),
    open: (execution, server, since) =>
      read(
        sql`SELECT * FROM ${table} WHERE server = ${server} AND execution_id <> ${execution} AND job_id IS NULL AND sent_at IS NOT NULL AND (ended_at IS NULL OR ended_at > ${since}) AND NOT EXISTS (SELECT 1 FROM ${table} AS later WHERE later.kind = ${table}.kind AND later.run_key = ${table}.run_key AND later.attempt > ${table}.attempt)`
      ),
    counts: Effect.map(
      sql<{
        readonly state: string
        readonly n: unknown
      }>`SELECT state, count(*) AS n FROM ${table} WHERE parent IS NULL AND ${sql.in("state", openStates)} GROUP BY state`,
      (rows) => new Map(rows.map(({ n, state }) => [state, Number(n)]))
    ),
    isSubmitting: (server) =>
      Effect.map(
        sql`SELECT 1 FROM ${table} WHERE server = ${server} AND job_id IS NULL AND sent_at IS NOT NULL AND ended_at IS NULL LIMIT 1`,
        (rows) => rows.length > 0
      )
  }
  return RunTable.of(service)
})

/** The rows of all runs. */
export class RunTable extends Context.Tag("effect-videos/durable/RunTable")<RunTable, RunTableService>() {
  static readonly layer: Layer.Layer<
    RunTable,
    DatabaseUnavailableError | DatabaseVersionError,
    SqlClient.SqlClient | DatabaseName
  > = Layer.suspend(() => Layer.effect(RunTable, make))
}
