/** The server's application: what each request asks of the jobs, and what it is answered. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type Accent, restated } from "./accents.js"
import { isForm, readBody } from "./body.js"
import type { Characters } from "./characters.js"
import { serveContent } from "./content.js"
import type { Once } from "./idempotency.js"
import { type Job, type Jobs, stateOf } from "./Jobs.js"
import { keyCheck } from "./keys.js"
import { pageOf } from "./list.js"
import { type Operation, operationOf } from "./operations.js"
import {
  type Fields,
  type Refusal,
  readFilm,
  readModel,
  readName,
  readPrompt,
  readSeconds,
  readSize,
  readSource,
  refuse,
  required
} from "./protocol.js"
import { readReference } from "./reference.js"
import type { Occasion, Refused } from "./shapes.js"
import type { Studio } from "./studio.js"

/** What the application works with. */
export interface AppParts {
  readonly accent: Accent
  readonly jobs: Jobs
  readonly characters: Characters
  readonly studio: Studio
  /** What is made of a submission whose key has come before. */
  readonly once: Once
  readonly apiKeys: ReadonlyArray<string | Redacted.Redacted> | undefined
  /** Up to and including `/v1`, for the links in answers. */
  readonly baseUrl: string
}

/** Room for a clip; the platform's own limit is 10 MB. */
const maxBodySize = FileSystem.Size(4 * 1024 * 1024 * 1024)

type Handler = (
  id: string,
  query: URLSearchParams
) => Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Refusal,
  HttpServerRequest.HttpServerRequest | FileSystem.FileSystem | Path.Path | Scope.Scope
>

/** @internal */
export const makeApp = (parts: AppParts): HttpApp.Default<never, FileSystem.FileSystem | Path.Path | Scope.Scope> => {
  const { accent } = parts
  const handlers = makeHandlers(parts)
  const authorize = keyCheck(parts.apiKeys, accent.keyHeaders)
  const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const asked = operationOf(accent.serves, accent.bases, method, url)
    const refused: Refused = {
      operation: asked._tag === "Operation" ? asked.operation : null,
      form: isForm(request)
    }
    const answer = Effect.suspend(() => {
      if (asked._tag === "Operation") return handlers[asked.operation](asked.id, queryOf(url))
      return Effect.fail(
        asked._tag === "OtherMethods" && accent.otherMethod === 405
          ? refuse(405, `${method} is not allowed here.`, {
              code: "method_not_allowed",
              headers: { allow: asked.methods.join(", ") }
            })
          : refuse(404, `Invalid URL (${method} ${url.replace(/\?.*$/s, "")})`, { code: "unknown_url" })
      )
    })
    return authorize(request).pipe(
      Effect.zipRight(answer),
      // The platform runs an application so that nothing stops it; a client that goes away stops its request here.
      Effect.interruptible,
      Effect.catchAll((refusal) => Effect.succeed(refusalResponse(accent, refusal, refused)))
    )
  })
  return HttpIncomingMessage.withMaxBodySize(app, Option.some(maxBodySize))
}

// internal

const queryOf = (url: string): URLSearchParams => {
  const at = url.indexOf("?")
  return new URLSearchParams(at === -1 ? "" : url.slice(at + 1))
}

const refusalResponse = (accent: Accent, original: Refusal, refused: Refused) => {
  const refusal = restated(accent, original, refused)
  const body = accent.refusal(refusal, refused)
  if (accent.disguisesErrors && refused.operation === "content" && refusal.status !== 401) {
    return HttpServerResponse.text(JSON.stringify(body), { contentType: "video/mp4" })
  }
  return HttpServerResponse.unsafeJson(body, { status: refusal.status, headers: refusal.headers ?? {} })
}

const makeHandlers = (parts: AppParts): { readonly [operation in Operation]: Handler } => {
  const { accent, baseUrl, characters, jobs, once, studio } = parts

  const show = (job: Job, occasion: Occasion) =>
    Effect.map(Clock.currentTimeMillis, (now) => accent.video(job, { now, occasion, baseUrl }))

  const bodyOf = (operation: Operation) => readBody(accent.bodies(operation))

  const submission =
    <R>(operation: Operation, make: (fields: Fields, source: string) => Effect.Effect<Job, Refusal, R>) =>
    (source: string) =>
      Effect.gen(function* () {
        const fields = yield* bodyOf(operation)
        const { job, replayed } = yield* once(`${operation} ${source}`, fields, make(fields, source))
        const body = yield* show(job, "submission")
        return HttpServerResponse.unsafeJson(body, { headers: replayed ? { "idempotent-replayed": "true" } : {} })
      })

  return {
    create: submission("create", (fields) =>
      Effect.gen(function* () {
        const prompt = yield* readPrompt(fields)
        const seconds = (yield* readSeconds(fields, accent.leeway)) ?? 4
        const size = yield* readSize(fields, accent.leeway)
        const { file, label } = yield* readReference(fields, accent.reference)
        const model = yield* readModel(fields)
        if (model === null && accent.modelRequired) {
          return yield* refuse(400, "The field 'model' is required.", { param: "model", code: "missing_model" })
        }
        const picture = file === undefined ? undefined : yield* studio.keepPicture(file)
        return yield* jobs.create({ prompt, seconds, ...size, label, picture, model: model ?? "sora-2" })
      })
    ),

    list: (_, query) =>
      Effect.gen(function* () {
        const page = yield* pageOf(yield* jobs.all, query, accent.list)
        const data = yield* Effect.forEach(page.jobs, (job) => show(job, "list"))
        return HttpServerResponse.unsafeJson(accent.page(data, page))
      }),

    retrieve: (id) =>
      Effect.gen(function* () {
        const job = yield* jobs.get(id)
        const status = accent.lookStatus(job, stateOf(job, yield* Clock.currentTimeMillis))
        return HttpServerResponse.unsafeJson(yield* show(job, "look"), { status })
      }),

    delete: (id) =>
      Effect.gen(function* () {
        const job = yield* jobs.remove(id)
        const now = yield* Clock.currentTimeMillis
        return HttpServerResponse.unsafeJson(accent.deleted(job, { now, occasion: "deletion", baseUrl }))
      }),

    content: (id, query) => Effect.flatMap(jobs.get(id), (job) => serveContent(job, query, accent, studio)),

    remix: submission("remix", (fields, source) =>
      Effect.flatMap(readPrompt(fields), (prompt) => jobs.remix({ prompt, source }))
    ),

    edit: submission("edit", (fields) =>
      Effect.gen(function* () {
        const prompt = yield* readPrompt(fields)
        const source = yield* readSource(fields)
        return yield* jobs.edit({ prompt, source })
      })
    ),

    extend: submission("extend", (fields) =>
      Effect.gen(function* () {
        const prompt = yield* readPrompt(fields)
        const seconds = yield* Effect.flatMap(readSeconds(fields, accent.leeway), required("seconds"))
        const source = yield* readSource(fields)
        return yield* jobs.extend({ prompt, seconds, source })
      })
    ),

    createCharacter: () =>
      Effect.gen(function* () {
        const fields = yield* bodyOf("createCharacter")
        const name = yield* readName(fields)
        yield* studio.examine(yield* readFilm(fields))
        return HttpServerResponse.unsafeJson(yield* characters.create(name))
      }),

    retrieveCharacter: (id) => Effect.map(characters.get(id), (character) => HttpServerResponse.unsafeJson(character))
  }
}
