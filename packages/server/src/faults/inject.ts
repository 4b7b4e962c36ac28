/** The application with faults: each request is asked for, and answered, as the rules have it. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isForm } from "../body.js"
import { operationOf } from "../operations.js"
import { type AppParts, makeApp } from "../routes.js"
import * as answers from "./answers.js"
import * as bodies from "./bodies.js"
import type { Fault } from "./model.js"
import { asOfNow, behind } from "./replica.js"
import type { Faults } from "./rules.js"
import { Wire, type WireService } from "./wire.js"

type App<R = never> = HttpApp.Default<never, FileSystem.FileSystem | Path.Path | Scope.Scope | R>

/** @internal */
export const faulty = (parts: AppParts, faults: Faults): App<Wire> => {
  const { accent } = parts
  const app = makeApp(parts)
  const replica = makeApp({ ...parts, jobs: asOfNow(parts.jobs) })
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const asked = operationOf(accent.serves, accent.bases, method, url)
    const operation = asked._tag === "Operation" ? asked.operation : null
    const id = asked._tag === "Operation" ? asked.id : ""
    return Effect.flatMap(faults.next({ operation, method, path: url }), (fault) =>
      fault === null ? app : injected({ fault, operation, id, request, parts, app, replica })
    )
  })
}

interface Occasion {
  readonly fault: Fault
  readonly operation: Parameters<Faults["next"]>[0]["operation"]
  /** Of the video that the request is about. */
  readonly id: string
  readonly request: HttpServerRequest.HttpServerRequest
  readonly parts: AppParts
  readonly app: App
  readonly replica: App
}

const injected = (occasion: Occasion): App<Wire> =>
  Effect.flatMap(Wire, (wire) =>
    answer(occasion, wire).pipe(
      // The platform runs an application so that nothing stops it; a client that gives up ends its wait here.
      Effect.interruptible,
      Effect.onInterrupt(() => wire.abandoned)
    )
  )

const answer = ({ app, fault, id, operation, parts, replica, request }: Occasion, wire: WireService): App => {
  const { accent, jobs } = parts
  switch (fault._tag) {
    case "Status": {
      const said = Effect.map(Clock.currentTimeMillis, (now) =>
        answers.statusAnswer(fault, accent, { operation, form: isForm(request) }, now)
      )
      return fault.committed ? Effect.zipRight(app, said) : said
    }
    case "Reset":
      return fault.at === "before-headers"
        ? wire.lose
        : Effect.flatMap(app, (response) => (fault.at === "mid-body" ? bodies.brokenOff(response, wire) : wire.lose))
    case "Hang":
      return fault.committed ? Effect.zipRight(app, Effect.never) : Effect.never
    case "Redirect":
      return Effect.succeed(answers.redirectAnswer(fault, request.url))
    case "CutJson":
      return Effect.map(app, bodies.cutJson)
    case "Slow":
      return Effect.map(app, (response) => bodies.slowed(response, fault.bytes, fault.everyMillis))
    case "ContentLength":
      return Effect.map(app, (response) => bodies.misframed(response, fault.off, wire))
    case "Stale":
      return behind(fault.byMillis)(replica)
    case "Skew":
      return Effect.zipWith(app, Clock.currentTimeMillis, (response, now) =>
        answers.skewed(response, fault.aheadMillis, now)
      )
    case "Fields":
      return Effect.map(app, (response) => answers.withFields(response, fault.fields))
    case "Duplicate":
      return fault.of === "job" ? Effect.zipRight(app, app) : newest(parts, app)
    case "Page":
      return Effect.map(
        fault.is === "first"
          ? Effect.provideService(app, HttpServerRequest.HttpServerRequest, withoutCursor(request))
          : app,
        (response) => answers.pageOf(response, fault.is)
      )
    case "HugeList":
      return Effect.map(app, (response) => bodies.hugeList(response, fault.items))
    case "Expire":
      return Effect.flatMap(app, (response) => bodies.brokenOff(response, wire, jobs.expire(id)))
    case "Endless":
      return Effect.map(app, bodies.endless)
    case "Bomb":
      return Effect.map(app, (response) => bodies.bomb(response, fault.bytes, wire))
    case "Deep":
      return Effect.map(app, (response) => answers.deepened(response, fault.depth))
    case "Poison":
      return Effect.map(app, answers.poisoned)
    case "Headers":
      return Effect.map(app, HttpServerResponse.setHeader("x-padding", "x".repeat(fault.bytes)))
  }
}

/** The answer to another submission: the newest there is. */
const newest = ({ accent, baseUrl, jobs }: AppParts, app: App): App =>
  Effect.flatMap(Effect.zip(jobs.all, Clock.currentTimeMillis), ([all, now]) => {
    const job = all.at(-1)
    return job === undefined
      ? app
      : Effect.succeed(HttpServerResponse.unsafeJson(accent.video(job, { now, occasion: "submission", baseUrl })))
  })

const withoutCursor = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest => {
  const [path = "", query = ""] = request.url.split("?")
  const kept = new URLSearchParams(query)
  kept.delete("after")
  return request.modify({ url: `${path}?${kept}` })
}
