/** The routes: what a request asks of the jobs, and what it is answered. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Multipart from "@effect/platform/Multipart"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Job, type Jobs, resourceOf, stateOf } from "./Jobs.js"
import {
  type Fields,
  Refusal,
  readModel,
  readPrompt,
  readSeconds,
  readSize,
  readSource,
  refusalResponse,
  refuse,
  required,
  UploadedFile
} from "./protocol.js"

/** Room for a clip; the platform's own limit is 10 MB. */
const maxBodySize = FileSystem.Size(4 * 1024 * 1024 * 1024)

const badBody = (message: string) => refuse(400, message, { code: "invalid_body" })

const readForm = (form: Multipart.Persisted): Fields =>
  Object.fromEntries(
    Object.entries(form).map(([name, value]) => {
      const first = typeof value === "string" ? value : value[0]
      return [name, Multipart.isPersistedFile(first) ? new UploadedFile(first.path, first.name) : first]
    })
  )

/** The body's fields, from JSON or from a form. */
const readBody: Effect.Effect<
  Fields,
  Refusal,
  HttpServerRequest.HttpServerRequest | Scope.Scope | FileSystem.FileSystem | Path.Path
> = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  const type = request.headers["content-type"] ?? ""
  if (type.startsWith("multipart/form-data")) {
    return Effect.mapBoth(request.multipart, {
      onFailure: (error) => badBody(`The form could not be read: ${error.reason}.`),
      onSuccess: readForm
    })
  }
  if (!type.startsWith("application/json")) {
    return Effect.fail(
      refuse(415, "Expected a body of type 'application/json' or 'multipart/form-data'.", {
        code: "unsupported_media_type"
      })
    )
  }
  return Effect.flatMap(
    Effect.mapError(request.json, () => badBody("The body could not be read as JSON.")),
    (body) =>
      typeof body === "object" && body !== null && !Array.isArray(body)
        ? Effect.succeed(body as Fields)
        : Effect.fail(badBody("Expected a JSON object as the body."))
  )
})

const answer = (job: Job): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Clock.currentTimeMillis, (now) => HttpServerResponse.unsafeJson(resourceOf(job, now)))

const videoId = Effect.map(HttpRouter.params, (params) => params.video_id ?? "")

/** The server's application, over the jobs. */
export const makeApp = (jobs: Jobs): HttpApp.Default<never, FileSystem.FileSystem | Path.Path | Scope.Scope> => {
  const create = Effect.gen(function* () {
    const fields = yield* readBody
    const prompt = yield* readPrompt(fields)
    const seconds = (yield* readSeconds(fields)) ?? 4
    const { height, width } = yield* readSize(fields)
    const model = yield* readModel(fields)
    return yield* answer(yield* jobs.create({ prompt, seconds, width, height, model }))
  })

  const extend = Effect.gen(function* () {
    const fields = yield* readBody
    const prompt = yield* readPrompt(fields)
    const seconds = yield* Effect.flatMap(readSeconds(fields), required("seconds"))
    const source = yield* readSource(fields)
    return yield* answer(yield* jobs.extend({ prompt, seconds, source }))
  })

  const retrieve = Effect.flatMap(Effect.flatMap(videoId, jobs.get), answer)

  const content = Effect.gen(function* () {
    const job = yield* Effect.flatMap(videoId, jobs.get)
    const { status } = stateOf(job, yield* Clock.currentTimeMillis)
    if (status === "failed") {
      return yield* Effect.fail(
        refuse(404, `Video '${job.id}' has failed and has no content.`, { code: "video_failed" })
      )
    }
    if (status !== "completed") {
      // OpenAI's own answer to an early request is a 404 too.
      return yield* Effect.fail(refuse(404, `Video is not ready yet: it is ${status}.`, { code: "video_not_ready" }))
    }
    const path = yield* jobs.content(job)
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* Effect.orDie(fs.stat(path))
    return HttpServerResponse.stream(fs.stream(path, { chunkSize: 64 * 1024 }), {
      contentType: "video/mp4",
      contentLength: Number(size),
      headers: { "content-disposition": `attachment; filename="${job.id}.mp4"` }
    })
  })

  return HttpRouter.empty.pipe(
    HttpRouter.post("/v1/videos", create),
    HttpRouter.post("/v1/videos/extensions", extend),
    HttpRouter.get("/v1/videos/:video_id", retrieve),
    HttpRouter.get("/v1/videos/:video_id/content", content),
    HttpRouter.all("*", unknownRoute),
    Effect.catchAll((refusal) =>
      refusal instanceof Refusal ? Effect.succeed(refusalResponse(refusal)) : Effect.die(refusal)
    ),
    HttpIncomingMessage.withMaxBodySize(Option.some(maxBodySize))
  )
}

const unknownRoute = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) =>
  Effect.fail(refuse(404, `Invalid URL (${method} ${url.replace(/\?.*$/, "")})`, { code: "unknown_url" }))
)
