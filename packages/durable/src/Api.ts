/**
 * Durable runs over HTTP, for programs in other languages: start, list, watch, cancel, retry and resolve, with an OpenAPI document.
 * It knows no users: put it behind what authenticates them.
 *
 * @since 0.1.0
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DurableVideos } from "./DurableVideos.js"
import {
  DatabaseUnavailableError,
  IdempotencyConflictError,
  InvalidRunError,
  RunNotFoundError,
  RunStateError
} from "./errors.js"
import { CreateRequest, ExtendRequest, ExtendToRequest, Run, RunState } from "./Runs.js"

const key = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200))

const execution = HttpApiSchema.param("execution", Schema.String)

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const one = HttpApiEndpoint.get("show")`/runs/${execution}`.addSuccess(Run)

const list = HttpApiEndpoint.get("list", "/runs")
  .setUrlParams(
    Schema.Struct({
      state: optional(RunState),
      limit: optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1000))),
      /** The `execution` of the last run of the page before. */
      before: optional(Schema.NonEmptyString)
    })
  )
  .addSuccess(Schema.Array(Run))

const start = <Kind extends "create" | "extend" | "extendTo", A, I>(kind: Kind, request: Schema.Schema<A, I>) =>
  HttpApiEndpoint.post(kind, `/runs/${kind}`)
    .setPayload(Schema.Struct({ key, request }))
    .addSuccess(Run)
    .addError(InvalidRunError, { status: 400 })
    .addError(IdempotencyConflictError, { status: 409 })

/** Server-sent events: the `id` of each is the run's `version`, and `Last-Event-ID` or `after` resumes behind it. */
const events = HttpApiEndpoint.get("events")`/runs/${execution}/events`
  .setUrlParams(Schema.Struct({ after: optional(Schema.NumberFromString) }))
  .setHeaders(Schema.Struct({ "last-event-id": optional(Schema.NumberFromString) }))
  .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))

const cancel = HttpApiEndpoint.post("cancel")`/runs/${execution}/cancel`
  .setPayload(Schema.Struct({ deleteJob: optional(Schema.Boolean) }))
  .addSuccess(Run)

const retry = HttpApiEndpoint.post("retry")`/runs/${execution}/retry`
  .addSuccess(Run)
  .addError(RunStateError, { status: 409 })

const resolve = HttpApiEndpoint.post("resolve")`/runs/${execution}/resolve`
  .setPayload(Schema.Struct({ decision: Schema.NonEmptyString }))
  .addSuccess(Run)
  .addError(RunStateError, { status: 409 })

class RunsGroup extends HttpApiGroup.make("runs")
  .add(start("create", CreateRequest))
  .add(start("extend", ExtendRequest))
  .add(start("extendTo", ExtendToRequest))
  .add(list)
  .add(one.addError(RunNotFoundError, { status: 404 }))
  .add(events.addError(RunNotFoundError, { status: 404 }))
  .add(cancel.addError(RunNotFoundError, { status: 404 }))
  .add(retry.addError(RunNotFoundError, { status: 404 }))
  .add(resolve.addError(RunNotFoundError, { status: 404 }))
  .addError(DatabaseUnavailableError, { status: 503 }) {}

/**
 * The endpoints. `OpenApi.fromApi(DurableVideosApi)` is their OpenAPI document.
 *
 * | endpoint                         | does                                                              |
 * | -------------------------------- | ----------------------------------------------------------------- |
 * | `POST /runs/create`, `/extend`   | starts a run: `{ key, request }`                                  |
 * | `POST /runs/extendTo`            | the same, with `segments` of its own                              |
 * | `GET /runs`                      | reads runs, newest first: `state`, `limit`, `before`              |
 * | `GET /runs/:execution`           | reads a run                                                       |
 * | `GET /runs/:execution/events`    | server-sent events until the run has ended; `after` resumes       |
 * | `POST /runs/:execution/cancel`   | cancels it: `{ deleteJob }`                                       |
 * | `POST /runs/:execution/retry`    | continues it, or begins a new attempt                             |
 * | `POST /runs/:execution/resolve`  | decides for an uncertain run: `{ decision }`                      |
 *
 * @since 0.1.0
 * @category api
 */
export class DurableVideosApi extends HttpApi.make("effect-videos").add(RunsGroup) {}

const encodeRun = Schema.encodeSync(Schema.parseJson(Run))

/** A proxy closes a connection that is silent. */
const heartbeat = Stream.schedule(Stream.repeatValue(":\n\n"), Schedule.spaced("15 seconds"))

const group = HttpApiBuilder.group(DurableVideosApi, "runs", (handlers) =>
  Effect.map(DurableVideos, (durable) =>
    handlers
      .handle("create", ({ payload }) => durable.create(payload.request, { key: payload.key }))
      .handle("extend", ({ payload }) => durable.extend(payload.request, { key: payload.key }))
      .handle("extendTo", ({ payload }) => durable.extendTo(payload.request, { key: payload.key }))
      .handle("list", ({ urlParams: { before, limit, state } }) =>
        durable.list({
          limit,
          states: state === undefined ? undefined : [state],
          before
        })
      )
      .handle("show", ({ path }) => durable.get(path.execution))
      .handleRaw("events", ({ headers, path, urlParams }) =>
        Effect.gen(function* () {
          // An unknown run is a 404, and not a stream that breaks off.
          yield* durable.get(path.execution)
          const after = urlParams.after ?? headers["last-event-id"]
          const updates = durable
            .watch(path.execution, { after })
            .pipe(Stream.map((run) => `id: ${run.version}\ndata: ${encodeRun(run)}\n\n`))
          return HttpServerResponse.stream(
            Stream.encodeText(Stream.merge(updates, heartbeat, { haltStrategy: "left" })),
            { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
          )
        })
      )
      .handle("cancel", ({ path, payload }) => durable.cancel(path.execution, payload))
      .handle("retry", ({ path }) => durable.retry(path.execution))
      .handle("resolve", ({ path, payload }) => durable.resolve(path.execution, payload.decision))
  )
)

/**
 * Serves `DurableVideosApi`.
 *
 * @example
 * import { createServer } from "node:http"
 * import { HttpApiBuilder } from "@effect/platform"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { DurableVideos } from "@effect-videos/durable"
 * import * as Api from "@effect-videos/durable/Api"
 * import { Layer } from "effect"
 *
 * const live = HttpApiBuilder.serve().pipe(
 *   Layer.provide(HttpApiBuilder.middlewareOpenApi()),
 *   Layer.provide(Api.layer),
 *   Layer.provide(DurableVideos.layerSqliteClient({ filename: "videos.db" })),
 *   Layer.provide(NodeHttpServer.layer(createServer, { port: 8080 }))
 * )
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpApi.Api, never, DurableVideos> = HttpApiBuilder.api(DurableVideosApi).pipe(
  Layer.provide(group)
)
