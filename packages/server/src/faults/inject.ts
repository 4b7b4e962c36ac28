/** Wraps the application of the server: the rules select a fault for each request. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"
import { isForm } from "../body.js"
import { madeVideo } from "../Jobs.js"
import { operationOf } from "../operations.js"
import { type AppParts, makeApp } from "../routes.js"
import * as bodies from "./bodies.js"
import type { Fault } from "./model.js"
import { jobsAsOfNow, withClockBehind } from "./replica.js"
import * as responses from "./responses.js"
import type { Faults } from "./rules.js"
import { Wire, type WireService } from "./wire.js"

type App<R = never> = HttpApp.Default<never, FileSystem.FileSystem | Path.Path | Scope.Scope | R>

/** @internal */
export const makeFaultyApp = (parts: AppParts, faults: Faults): App<Wire> => {
  const { dialect } = parts
  const app = makeApp(parts)
  const replica = makeApp({ ...parts, jobs: jobsAsOfNow(parts.jobs) })
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const target = operationOf(dialect, method, url)
    const operation = target._tag === "Operation" ? target.operation : null
    const id = target._tag === "Operation" ? target.id : ""
    const known = Effect.orElseSucceed(
      Effect.map(parts.jobs.get(id), (job) => job.id),
      () => null
    )
    return Effect.gen(function* () {
      const { fault, number } = yield* faults.next({ operation, method, path: url, video: yield* known })
      const response = fault === null ? app : applyFault({ fault, operation, id, request, parts, app, replica })
      return yield* Effect.onExit(response, (exit) =>
        Effect.flatMap(FiberRef.get(madeVideo), (made) =>
          faults.ended(number, Exit.isSuccess(exit) ? exit.value.status : null, made)
        )
      )
    }).pipe(Effect.locally(madeVideo, null))
  })
}

interface FaultContext {
  readonly fault: Fault
  readonly operation: Parameters<Faults["next"]>[0]["operation"]
  /** Id of the video in the path. */
  readonly id: string
  readonly request: HttpServerRequest.HttpServerRequest
  readonly parts: AppParts
  readonly app: App
  readonly replica: App
}

const applyFault = (context: FaultContext): App<Wire> =>
  Effect.flatMap(Wire, (wire) =>
    respondWithFault(context, wire).pipe(
      // The platform runs applications uninterruptibly; this lets a disconnected client interrupt its request.
      Effect.interruptible,
      Effect.onInterrupt(() => wire.onClientAbort)
    )
  )

const respondWithFault = (context: FaultContext, wire: WireService): App => {
  const { app, fault, id, operation, parts, replica, request } = context
  const { dialect, jobs } = parts
  switch (fault._tag) {
    case "Status": {
      const response = Effect.map(Clock.currentTimeMillis, (now) =>
        responses.statusResponse(fault, dialect, { operation, form: isForm(request) }, now)
      )
      return fault.committed ? Effect.zipRight(app, response) : response
    }
    case "Reset":
      return fault.at === "before-headers"
        ? wire.reset
        : Effect.flatMap(app, (response) =>
            fault.at === "mid-body" ? bodies.resetMidBody(response, wire) : wire.reset
          )
    case "Hang":
      return fault.committed ? Effect.zipRight(app, Effect.never) : Effect.never
    case "Redirect":
      return Effect.succeed(responses.redirectResponse(fault, request.url))
    case "CutJson":
      return Effect.map(app, bodies.truncateJson)
    case "Slow":
      return Effect.map(app, (response) => bodies.slowDown(response, fault.bytes, fault.everyMillis))
    case "ContentLength":
      return Effect.map(app, (response) => bodies.withWrongLength(response, fault.off, wire))
    case "Stale":
      return withClockBehind(fault.byMillis)(replica)
    case "Skew":
      return Effect.zipWith(app, Clock.currentTimeMillis, (response, now) =>
        responses.shiftTimes(response, fault.aheadMillis, now)
      )
    case "Fields":
      return Effect.map(app, (response) => responses.replaceFields(response, fault.fields))
    case "Duplicate":
      return fault.of === "job" ? Effect.zipRight(app, app) : respondWithNewestJob(parts, app)
    case "Page":
      return Effect.map(
        fault.is === "first"
          ? Effect.provideService(app, HttpServerRequest.HttpServerRequest, withoutCursor(request))
          : app,
        (response) => responses.changePage(response, fault.is)
      )
    case "HugeList":
      return Effect.map(app, (response) => bodies.replaceWithHugeList(response, fault.items))
    case "Expire":
      return Effect.flatMap(app, (response) => bodies.resetMidBody(response, wire, jobs.expire(id)))
    case "Endless":
      return Effect.map(app, bodies.appendEndless)
    case "Bomb":
      return Effect.map(app, (response) => bodies.appendBomb(response, fault.bytes, wire))
    case "Deep":
      return Effect.map(app, (response) => responses.addNestedArrays(response, fault.depth))
    case "Poison":
      return Effect.map(app, responses.addPrototypeKeys)
    case "Headers":
      return Effect.map(app, HttpServerResponse.setHeader("x-padding", "x".repeat(fault.bytes)))
  }
}

/** Describes the newest job instead of making one. Without any job, runs the application. */
const respondWithNewestJob = ({ dialect, baseUrl, jobs }: AppParts, app: App): App =>
  Effect.flatMap(Effect.zip(jobs.all, Clock.currentTimeMillis), ([all, now]) => {
    const job = all.at(-1)
    return job === undefined
      ? app
      : Effect.succeed(HttpServerResponse.unsafeJson(dialect.video(job, { now, requestKind: "submission", baseUrl })))
  })

const withoutCursor = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest => {
  const [path = "", query = ""] = request.url.split("?")
  const kept = new URLSearchParams(query)
  kept.delete("after")
  return request.modify({ url: `${path}?${kept}` })
}
