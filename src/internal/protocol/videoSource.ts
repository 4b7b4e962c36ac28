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
import * as wire from "./jsonReaders.js"
import { detectMediaType } from "./mediaType.js"
import { isWithin } from "./requestBody.js"
import type { VideoSource } from "./requestSchemas.js"
import { invalid } from "./validateRequest.js"
import { isVideoFile, type VideoFile } from "./videoFile.js"
import { phaseOf, type VideoResource } from "./videoSchemas.js"

/** Why a job cannot be a source. */
type SourceError =
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
      (cause) => new Errors.UploadError({ operation, file: file.name, detail: "the file could not be read", cause })
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

/** The public URL of a job's clip, or why there is none. */
const urlOf = (
  operation: DerivingOperation,
  video: VideoResource,
  { name, source }: Dialect,
  now: number
): Effect.Effect<string, SourceError> => {
  const phase = phaseOf(video)
  const expired = (detail: string) => new Errors.VideoExpiredError({ operation, video, detail })
  if (video.status === "expired") return expired("the server has removed the clip")
  if (phase === "failed") return new Errors.VideoFailedError({ operation, video })
  if (phase !== "succeeded") return new Errors.VideoNotReadyError({ operation, video })
  const lifetime = Duration.decode(source.urlLifetime ?? Duration.infinity)
  const madeAt = (video.completedAt ?? video.createdAt)?.epochMillis ?? now
  if (now - madeAt > Duration.toMillis(lifetime)) {
    return expired(`the clip's URL is older than ${Duration.format(lifetime)}`)
  }
  const url = sourcesOf(video).flatMap((found) => (found._tag === "Url" ? [found.url] : []))[0]
  if (url === undefined) return expired("the job names no URL of its clip")
  if (!isRelative(url)) return Effect.succeed(url)
  return new Errors.InvalidRequestError({
    operation,
    field: "video",
    received: "a job whose clip can be read with the server's key alone",
    accepted: `a public URL or a VideoFile in the dialect \`${name}\`: download the clip and give the file`
  })
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
  const { maxBytes = Number.POSITIVE_INFINITY } = source
  const { video } = request
  const isOfSource = derivedModel === "ofSource"
  const withModel = (
    more: Partial<Derivation>,
    ofSource: string | null = null
  ): Effect.Effect<A, Errors.InvalidRequestError> => {
    const model = request.model ?? (isOfSource ? ofSource : derivedModel) ?? undefined
    return isOfSource && model === undefined
      ? invalid(operation, "model", undefined, "the model of the source: its job does not name one")
      : Effect.succeed({ ...request, ...more, ...(model === undefined ? {} : { model }) })
  }
  const fail = Effect.suspend(() => notTaken(operation, video, dialect))
  if (isVideoFile(video)) {
    if (!takesFile(operation, dialect)) return fail
    if (files === "form") return withModel({})
    return Effect.flatMap(dataUrlOf(operation, "video", video, maxBytes), (url) => withModel({ video: { url } }))
  }
  const fields: wire.JsonObject = wire.isObject(video) ? video : {}
  const url = typeof video === "string" && isUrl(video) ? video : fields.url
  if (url !== undefined) {
    if (source.url === null) return fail
    const text = String(url)
    return /^data:/i.test(text) && (text.length * 3) / 4 > maxBytes
      ? invalid(operation, "video", text, `at most ${maxBytes} bytes in a data URL`)
      : withModel({ video: { url: text } })
  }
  if (fields.fileId !== undefined) return source.fileId === null ? fail : withModel({})
  if (source.job === null) return fail
  const snapshot = isSnapshot(video) ? video : null
  const id = typeof video === "string" ? video : String(fields.id ?? "")
  if (source.job !== "url") {
    const model = snapshot?.model ?? null
    if (!isOfSource || model !== null) return withModel({}, model)
    return Effect.flatMap(reads.known(id), (known) => withModel({}, known?.model ?? null))
  }
  const fromJob = (job: VideoResource, now: number) => {
    const wrong = checkLength(operation, job, dialect)
    return wrong ?? Effect.flatMap(urlOf(operation, job, dialect, now), (url) => withModel({ video: { url } }))
  }
  return Effect.clockWith((clock): Effect.Effect<A, SourceError | E> => {
    const now = clock.unsafeCurrentTimeMillis()
    const read = Effect.flatMap(reads.retrieve(id), (job) => fromJob(job, now))
    if (snapshot === null || phaseOf(snapshot) !== "succeeded") return read
    // The job may have another URL by now.
    return Effect.catchTag(fromJob(snapshot, now), "VideoExpiredError", () => read)
  })
}
