/** Application of the server: routes each request to its operation and encodes the response. */
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
import type { VideoFault } from "effect-videos/Schema"
import { isForm, readBody } from "./body.js"
import type { Characters } from "./characters.js"
import type { ClipFiles } from "./clipFiles.js"
import { serveContent } from "./content.js"
import { translateError } from "./dialects.js"
import type { SubmitOnce } from "./idempotency.js"
import type { Imitation } from "./imitation.js"
import { type Job, type Jobs, stateOf } from "./Jobs.js"
import { isObject } from "./json.js"
import { keyCheck } from "./keys.js"
import { pageOf } from "./list.js"
import { decodeSegment, type Operation, operationOf } from "./operations.js"
import {
  type Fields,
  type Refusal,
  readModel,
  readName,
  readPrompt,
  readSeconds,
  readSize,
  readSource,
  readVideoFile,
  refuse,
  required,
  UploadedFile
} from "./protocol.js"
import { readReference } from "./reference.js"
import type { Refused, RequestKind } from "./shapes.js"

/** Dependencies of the application. */
export interface AppParts {
  readonly dialect: Imitation
  readonly jobs: Jobs
  readonly characters: Characters
  readonly clipFiles: ClipFiles
  /** Returns the first job for a submission with a repeated idempotency key. */
  readonly submitOnce: SubmitOnce
  /** Counts a poll; fails if it is one too many. */
  readonly permitPoll: Effect.Effect<void, Refusal>
  readonly apiKeys: ReadonlyArray<string | Redacted.Redacted> | undefined
  /** Base URL up to and including `/v1`, for links in responses. */
  readonly baseUrl: string
}

/** 4 GiB, large enough for an uploaded clip; the default limit of the platform is 10 MB. */
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
  const { dialect } = parts
  const handlers = makeHandlers(parts)
  const authorize = keyCheck(parts.apiKeys, dialect.keyHeaders)
  const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const target = operationOf(dialect, method, url)
    const refused: Refused = {
      operation: target._tag === "Operation" ? target.operation : null,
      form: isForm(request)
    }
    const clip = clipIdOf(dialect, url)
    if (clip !== null) return serveClip(parts, clip, request)
    const response = Effect.suspend(() => {
      if (target._tag === "Operation") return handlers[target.operation](target.id, queryOf(url))
      return Effect.fail(
        target._tag === "OtherMethods" && dialect.otherMethod === 405
          ? refuse(405, `${method} is not allowed here.`, {
              code: "method_not_allowed",
              headers: { allow: target.methods.join(", ") }
            })
          : refuse(404, `Invalid URL (${method} ${url.replace(/\?.*$/s, "")})`, { code: "unknown_url" })
      )
    })
    return authorize(request).pipe(
      Effect.zipRight(response),
      // The platform runs applications uninterruptibly; this lets a disconnected client interrupt its request.
      Effect.interruptible,
      Effect.catchAll((refusal) => Effect.succeed(refusalResponse(dialect, refusal, refused)))
    )
  })
  return HttpIncomingMessage.withMaxBodySize(app, Option.some(maxBodySize))
}

// internal

const queryOf = (url: string): URLSearchParams => {
  const at = url.indexOf("?")
  return new URLSearchParams(at === -1 ? "" : url.slice(at + 1))
}

const refusalResponse = (dialect: Imitation, original: Refusal, refused: Refused) => {
  const refusal = translateError(dialect, original, refused)
  const body = dialect.errorBody(refusal, refused)
  if (dialect.disguisesErrors && refused.operation === "content" && refusal.status !== 401) {
    return HttpServerResponse.text(JSON.stringify(body), { contentType: "video/mp4" })
  }
  const options = { status: refusal.status, headers: refusal.headers ?? {} }
  return typeof body === "string"
    ? HttpServerResponse.text(body, { ...options, contentType: "text/plain; charset=utf-8" })
    : HttpServerResponse.unsafeJson(body, options)
}

/** The id in the public path of a clip. */
const clipIdOf = ({ clipPath }: Imitation, url: string): string | null => {
  const [before = "", after = ""] = clipPath?.("\n").split("\n") ?? []
  const path = URL.canParse(url) ? new URL(url).pathname : url.replace(/[?#].*$/s, "")
  const isClip = before !== "" && path.startsWith(before) && path.endsWith(after) && path.length > before.length
  return isClip ? decodeSegment(path.slice(before.length, path.length - after.length)) : null
}

/** Serves a clip at its public URL. A store refuses a key that is not its own, as S3 does with a signed URL. */
const serveClip = (
  { clipFiles, dialect, jobs }: AppParts,
  id: string,
  { headers }: HttpServerRequest.HttpServerRequest
) =>
  (headers.authorization === undefined
    ? Effect.flatMap(jobs.get(id), (job) =>
        serveContent(job, new URLSearchParams(), { ...dialect, ranges: true, variant: "ignored" }, clipFiles)
      )
    : Effect.fail(refuse(400, "Only one authentication mechanism is allowed"))
  ).pipe(Effect.catchAll(({ message, status }) => Effect.succeed(HttpServerResponse.text(message, { status }))))

const makeHandlers = (parts: AppParts): { readonly [operation in Operation]: Handler } => {
  const { dialect, baseUrl, characters, jobs, submitOnce, clipFiles } = parts

  const encodeJob = (job: Job, requestKind: RequestKind) =>
    Effect.map(Clock.currentTimeMillis, (now) => dialect.video(job, { now, requestKind, baseUrl }))

  const bodyOf = (operation: Operation) =>
    Effect.flatMap(readBody(dialect.bodies(operation)), (fields) =>
      dialect.fields === undefined ? Effect.succeed(fields) : dialect.fields(fields, operation)
    )

  /** The source of an extension or an edit; `null`: a URL that cannot be read, which the server finds out later. */
  const sourceOf = (fields: Fields) => {
    const { video } = fields
    const url = isObject(video) && typeof video.url === "string" ? video.url : null
    if (url === null) return readSource(fields)
    const data = /^data:video\/mp4;base64,(.+)$/s.exec(url)?.[1]
    if (data !== undefined) {
      return Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const path = yield* fs.makeTempFileScoped()
        yield* fs.writeFile(path, Buffer.from(data, "base64"))
        return new UploadedFile(path, "video.mp4", "video/mp4")
      }).pipe(Effect.orDie)
    }
    const id = clipIdOf(dialect, url)
    return id === null
      ? Effect.succeed(null)
      : Effect.match(jobs.get(id), { onFailure: () => null, onSuccess: (job): string | null => job.id })
  }

  const unreadable: VideoFault = {
    code: "invalid_argument",
    message: "Unable to download provided video_url: HTTP 404 Not Found"
  }

  const derive = (operation: "extend" | "edit", fields: Fields) =>
    Effect.gen(function* () {
      const prompt = yield* readPrompt(fields)
      const seconds =
        operation === "edit" ? 0 : yield* Effect.flatMap(readSeconds(fields, dialect.limits), required("seconds"))
      const source = yield* sourceOf(fields)
      if (source === null) {
        const model = (yield* readModel(fields)) ?? "sora-2"
        const clip = { width: 64, height: 64, size: null, label: undefined, picture: undefined }
        return yield* jobs.create({ ...clip, prompt, seconds, model, fault: unreadable })
      }
      const { countsSource } = dialect
      return yield* operation === "edit"
        ? jobs.edit({ prompt, source })
        : jobs.extend({ prompt, seconds, source, countsSource })
    })

  const submission =
    <R>(operation: Operation, make: (fields: Fields, source: string) => Effect.Effect<Job, Refusal, R>) =>
    (source: string) =>
      Effect.gen(function* () {
        const fields = yield* bodyOf(operation)
        const { job, replayed } = yield* submitOnce(`${operation} ${source}`, fields, make(fields, source))
        if (dialect.waitsForEnd === true) {
          // A timer may fire a moment early.
          yield* Effect.sleep(Math.max(0, job.endsAt - (yield* Clock.currentTimeMillis)) + 5)
        }
        const body = yield* encodeJob(job, "submission")
        const headers = { ...dialect.submitHeaders?.(job), ...(replayed ? { "idempotent-replayed": "true" } : {}) }
        return HttpServerResponse.unsafeJson(body, { status: dialect.submitStatus ?? 200, headers })
      })

  return {
    create: submission("create", (fields) =>
      Effect.gen(function* () {
        // OpenRouter's extension, and vLLM-Omni's `video_reference`, are a creation with another field.
        if (fields.video !== undefined && !dialect.serves.has("extend")) return yield* derive("extend", fields)
        const prompt = yield* readPrompt(fields)
        const seconds = (yield* readSeconds(fields, dialect.limits)) ?? 4
        const size = yield* readSize(fields, dialect.limits)
        const { file, label } = yield* readReference(fields, dialect.reference)
        const model = yield* readModel(fields)
        if (model === null && dialect.modelRequired) {
          return yield* refuse(400, "The field 'model' is required.", { param: "model", code: "missing_model" })
        }
        const picture = file === undefined ? undefined : yield* clipFiles.storePicture(file)
        return yield* jobs.create({ prompt, seconds, ...size, label, picture, model: model ?? "sora-2" })
      })
    ),

    list: (_, query) =>
      Effect.gen(function* () {
        const page = yield* pageOf(yield* jobs.all, query, dialect.list)
        const data = yield* Effect.forEach(page.jobs, (job) => encodeJob(job, "list"))
        return HttpServerResponse.unsafeJson(dialect.page(data, page))
      }),

    retrieve: (id) =>
      Effect.gen(function* () {
        yield* parts.permitPoll
        const job = yield* jobs.get(id)
        const state = stateOf(job, yield* Clock.currentTimeMillis)
        const status = dialect.retrieveStatus(job, state)
        if (dialect.isEmptyWhileQueued === true && state.phase === "queued") return HttpServerResponse.empty({ status })
        return HttpServerResponse.unsafeJson(yield* encodeJob(job, "retrieve"), { status })
      }),

    delete: (id) =>
      Effect.gen(function* () {
        const job = yield* jobs.remove(id)
        const now = yield* Clock.currentTimeMillis
        return HttpServerResponse.unsafeJson(dialect.deleted(job, { now, requestKind: "deletion", baseUrl }))
      }),

    content: (id, query) => Effect.flatMap(jobs.get(id), (job) => serveContent(job, query, dialect, clipFiles)),

    remix: submission("remix", (fields, source) =>
      Effect.flatMap(readPrompt(fields), (prompt) => jobs.remix({ prompt, source }))
    ),

    edit: submission("edit", (fields) => derive("edit", fields)),

    extend: submission("extend", (fields) => derive("extend", fields)),

    createCharacter: () =>
      Effect.gen(function* () {
        const fields = yield* bodyOf("createCharacter")
        const name = yield* readName(fields)
        yield* clipFiles.inspect(yield* readVideoFile(fields))
        return HttpServerResponse.unsafeJson(yield* characters.create(name))
      }),

    retrieveCharacter: (id) => Effect.map(characters.get(id), (character) => HttpServerResponse.unsafeJson(character))
  }
}
