/**
 * What an extension or an edit starts from, as the dialect takes it: at most one read, before anything is billed. What it does
 * not take is an error.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Stream from "effect/Stream"
import { concatBytes } from "../bytes.js"
import { isRelative, isSnapshot, sourcesOf } from "../download/contentSource.js"
import * as Errors from "../errors/errors.js"
import type { Dialect } from "./dialect.js"
import { valueAt } from "./dialectResponse.js"
import * as wire from "./jsonReaders.js"
import { detectMediaType } from "./mediaType.js"
import { isWithin } from "./requestBody.js"
import type { VideoSource } from "./requestSchemas.js"
import { invalid } from "./validateRequest.js"
import { isVideoFile, type VideoFile } from "./videoFile.js"
import { phaseOf, type VideoResource } from "./videoSchemas.js"

/** Why a job cannot be a source. */
export type SourceError =
  | Errors.InvalidRequestError
  | Errors.UploadError
  | Errors.VideoNotReadyError
  | Errors.VideoFailedError
  | Errors.VideoExpiredError

type DerivingOperation = "extendVideo" | "editVideo"

interface Derivation {
  readonly video: VideoSource
  readonly model?: string | undefined
}

const takesFile = (operation: DerivingOperation, { source }: Dialect): boolean =>
  source.file === "edit" ? operation === "editVideo" : source.file

const isUrl = (text: string): boolean => /^(https?|data):/i.test(text)

const kindOf = (video: VideoSource): string => {
  if (isVideoFile(video)) return "a VideoFile"
  if (typeof video === "string") return isUrl(video) ? "a URL" : "a job's id"
  return "url" in video ? "a URL" : "fileId" in video ? "the id of an uploaded file" : "a job"
}

const notTaken = (operation: DerivingOperation, video: VideoSource, dialect: Dialect): Errors.InvalidRequestError => {
  const { name, source } = dialect
  const taken = [
    source.job === null ? null : "a job",
    source.url === null ? null : "a URL",
    source.fileId === null ? null : "the id of an uploaded file",
    takesFile(operation, dialect) ? "a VideoFile" : null
  ].filter((kind) => kind !== null)
  return new Errors.InvalidRequestError({
    operation,
    field: "video",
    received: kindOf(video),
    accepted: `${taken.join(", ")}: the dialect \`${name}\` takes nothing else`
  })
}

/** The bytes of a file, for a server that takes no form. */
export const dataUrlOf = (
  operation: Errors.Operation,
  field: string,
  file: VideoFile,
  maxBytes: number
): Effect.Effect<string, Errors.InvalidRequestError | Errors.UploadError> => {
  const tooLong = new Errors.InvalidRequestError({
    operation,
    field,
    received: file.size === null ? "a longer file" : `a file of ${file.size} bytes`,
    accepted: `at most ${maxBytes} bytes; give the URL of a longer one`
  })
  if (file.size !== null && file.size > maxBytes) return Effect.fail(tooLong)
  const { content } = file
  const chunks = content instanceof Uint8Array ? Stream.make(content) : content
  return chunks.pipe(
    Stream.mapError(
      (cause) =>
        new Errors.UploadError({
          operation,
          file: file.name,
          detail: "the file could not be read",
          cause: cause as Error
        })
    ),
    Stream.mapAccumEffect(0, (length, part) =>
      length + part.byteLength > maxBytes
        ? Effect.fail(tooLong)
        : Effect.succeed([length + part.byteLength, part] as const)
    ),
    Stream.runCollect,
    Effect.map((parts) => {
      const bytes = concatBytes([...parts])
      const detected = file.detect === undefined ? null : detectMediaType(bytes, file.contentType)
      return `data:${detected ?? file.contentType};base64,${Encoding.encodeBase64(bytes)}`
    })
  )
}

/** The time at which the job's URL was made, as far as the job says. */
const madeAt = ({ completedAt, createdAt }: VideoResource): number | null =>
  (completedAt ?? createdAt)?.epochMillis ?? null

const expired = (operation: DerivingOperation, video: VideoResource, detail: string): Errors.VideoExpiredError =>
  new Errors.VideoExpiredError({ operation, video, status: null, detail })

/** The public URL of a job's clip, or why there is none. */
const urlOf = (
  operation: DerivingOperation,
  video: VideoResource,
  { name, source }: Dialect,
  now: number
): Effect.Effect<string, SourceError> => {
  const fields = { operation, video }
  switch (phaseOf(video)) {
    case "waiting":
    case "running":
      return Effect.fail(new Errors.VideoNotReadyError({ ...fields, detail: null }))
    case "failed":
      return Effect.fail(
        video.status === "expired"
          ? expired(operation, video, "the server has removed the clip")
          : new Errors.VideoFailedError(fields)
      )
    case "succeeded": {
      const lifetime =
        source.urlLifetime === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(source.urlLifetime)
      const made = madeAt(video)
      if (made !== null && now - made > lifetime) {
        return Effect.fail(
          expired(operation, video, `the clip's URL is older than ${Duration.format(source.urlLifetime ?? 0)}`)
        )
      }
      const url = sourcesOf(video).flatMap((found) => (found._tag === "Url" ? [found.url] : []))[0]
      if (url === undefined) return Effect.fail(expired(operation, video, "the job names no URL of its clip"))
      return isRelative(url)
        ? Effect.fail(
            new Errors.InvalidRequestError({
              operation,
              field: "video",
              received: "a job whose clip can be read with the server's key alone",
              accepted: `a public URL or a VideoFile in the dialect \`${name}\`: download the clip and give the file`
            })
          )
        : Effect.succeed(url)
    }
  }
}

const checkLength = (
  operation: DerivingOperation,
  { seconds }: VideoResource,
  { name, source }: Dialect
): Errors.InvalidRequestError | null => {
  const { extendable } = source
  if (operation !== "extendVideo" || extendable === undefined || seconds === null) return null
  return isWithin(seconds, extendable)
    ? null
    : new Errors.InvalidRequestError({
        operation,
        field: "video",
        received: `a clip of ${seconds} s`,
        accepted: `a clip of ${extendable.min} to ${extendable.max ?? Number.POSITIVE_INFINITY} s in the dialect \`${name}\``
      })
}

/** The same request, its source and its model as the dialect takes them. `retrieve` polls a job, `known` is what is remembered. */
export const resolveSource = <A extends Derivation, E>(
  dialect: Dialect,
  operation: DerivingOperation,
  request: A,
  reads: {
    readonly retrieve: (id: string) => Effect.Effect<VideoResource, E>
    readonly known: (id: string) => Effect.Effect<VideoResource | null>
  }
): Effect.Effect<A, SourceError | E> => {
  const { derivedModel, files, source } = dialect
  const { video } = request
  const isOfSource = derivedModel === "ofSource"
  const withModel = (
    more: Partial<Derivation>,
    ofSource: string | null = null
  ): Effect.Effect<A, Errors.InvalidRequestError> => {
    const model = request.model ?? (isOfSource ? ofSource : derivedModel) ?? undefined
    return isOfSource && model === undefined
      ? Effect.fail(invalid(operation, "model", undefined, "the model of the source: its job does not name one"))
      : Effect.succeed({ ...request, ...more, ...(model === undefined ? {} : { model }) })
  }
  const fail = Effect.suspend(() => Effect.fail(notTaken(operation, video, dialect)))
  if (isVideoFile(video)) {
    if (!takesFile(operation, dialect)) return fail
    if (files === "form") return withModel({})
    return Effect.flatMap(dataUrlOf(operation, "video", video, source.maxBytes ?? Number.POSITIVE_INFINITY), (url) =>
      withModel({ video: { url } })
    )
  }
  const text = typeof video === "string" && isUrl(video) ? video : null
  if (text !== null || (wire.isObject(video) && "url" in video)) {
    if (source.url === null) return fail
    const url = text ?? String(wire.isObject(video) ? valueAt(video, "url") : "")
    return /^data:/i.test(url) && (url.length * 3) / 4 > (source.maxBytes ?? Number.POSITIVE_INFINITY)
      ? Effect.fail(invalid(operation, "video", url, `at most ${source.maxBytes} bytes in a data URL`))
      : withModel({ video: { url } })
  }
  if (wire.isObject(video) && "fileId" in video) return source.fileId === null ? fail : withModel({})
  if (source.job === null) return fail
  const snapshot = isSnapshot(video) ? video : null
  const id = typeof video === "string" ? video : wire.isObject(video) ? String(video.id) : ""
  if (source.job !== "url") {
    const model = snapshot?.model ?? null
    if (!isOfSource || model !== null) return withModel({}, model)
    return Effect.flatMap(reads.known(id), (known) => withModel({}, known?.model ?? null))
  }
  const fromJob = (job: VideoResource, now: number) => {
    const wrong = checkLength(operation, job, dialect)
    return wrong === null
      ? Effect.flatMap(urlOf(operation, job, dialect, now), (url) => withModel({ video: { url } }))
      : Effect.fail(wrong)
  }
  return Effect.clockWith((clock): Effect.Effect<A, SourceError | E> => {
    const now = clock.unsafeCurrentTimeMillis()
    const read = Effect.flatMap(reads.retrieve(id), (job) => fromJob(job, now))
    if (snapshot === null || phaseOf(snapshot) !== "succeeded") return read
    // The job may have another URL by now.
    return Effect.catchTag(fromJob(snapshot, now), "VideoExpiredError", () => read)
  })
}
