/**
 * A store of clips in a bucket: Amazon S3, or another server that speaks its protocol. Needs the optional peers `@aws-sdk/client-s3`
 * and `@aws-sdk/lib-storage`.
 *
 * @since 0.1.0
 */
import { createReadStream, createWriteStream } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3"
import { Upload } from "@aws-sdk/lib-storage"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { VideoStoreError, type VideoStoreProblem } from "./errors.js"
import { type StoredVideo, type UploadOptions, VideoStore } from "./VideoStore.js"

/**
 * Options of a store in a bucket.
 *
 * @since 0.1.0
 * @category models
 */
export interface S3Options {
  readonly bucket: string
  /** Before the name of each object, such as `clips/`. Two databases that share a bucket need one each. Default: none. */
  readonly prefix?: string | undefined
  /** With the region, the endpoint and the credentials. Its owner destroys it. */
  readonly client: S3Client
  /** Local directory for a clip on its way, as of `VideoStore.layerUpload`. Not shared with another bucket or database. */
  readonly directory: string
}

/**
 * A bucket, with an object `<prefix><execution>.mp4` for each run; `location` is `s3://bucket/key`. The bucket has to exist.
 *
 * - An object is there whole or not at all. A clip above 5 MiB is sent in parts: up to four at once, which are all of it that is
 *   in memory.
 * - Each request carries a checksum (CRC32), which the server compares with what it received. The object's size is compared with
 *   the file's after the upload.
 * - A failure is a `VideoStoreError`: `reason` says of which kind, and `detail` has the server's code and status alone.
 * - The credentials need `s3:GetObject`, `s3:PutObject`, `s3:AbortMultipartUpload` and, for an object that is not there,
 *   `s3:ListBucket`; runs of `extendTo` that join segments need `s3:DeleteObject`.
 *
 * @example
 * import { S3Client } from "@aws-sdk/client-s3"
 * import * as S3 from "@effect-videos/durable/S3"
 *
 * const store = S3.layer({
 *   bucket: "films",
 *   prefix: "clips/",
 *   client: new S3Client({ region: "eu-central-1" }),
 *   directory: "/var/tmp/clips"
 * })
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({
  bucket,
  client,
  directory,
  prefix = ""
}: S3Options): Layer.Layer<VideoStore, VideoStoreError> => {
  const objectOf = (execution: string) => {
    const key = `${prefix}${execution}.mp4`
    return { key, location: `s3://${bucket}/${key}` }
  }

  const find: UploadOptions["find"] = (execution) => {
    const { key, location } = objectOf(execution)
    return Effect.tryPromise({
      try: (abortSignal) => client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
      catch: toFailure
    }).pipe(
      Effect.map(({ ContentLength }): StoredVideo => ({ location, bytes: ContentLength ?? 0 })),
      // A bucket that is missing has the same response: the upload reports it.
      Effect.catchIf(
        ({ status }) => status === 404,
        () => Effect.succeed(null)
      ),
      Effect.mapError(failedAs("S3.find", location))
    )
  }

  const upload: UploadOptions["upload"] = (execution, { bytes, path }) => {
    const { key, location } = objectOf(execution)
    const failed = failedAs("S3.upload", location)
    return Effect.tryPromise({
      try: (signal) => {
        const params = { Bucket: bucket, Key: key, Body: createReadStream(path), ContentType: "video/mp4" }
        const task = new Upload({ client, params })
        signal.addEventListener("abort", () => void task.abort())
        return task.done()
      },
      catch: (error) => failed(toFailure(error))
    }).pipe(
      Effect.zipRight(find(execution)),
      Effect.filterOrFail(
        (stored) => stored !== null && stored.bytes === bytes,
        (stored) => failed({ reason: "unknown", detail: `the object has ${stored?.bytes ?? 0} of ${bytes} bytes` })
      ),
      Effect.as({ location, bytes })
    )
  }

  const download: Exclude<UploadOptions["download"], undefined> = (execution, path) => {
    const { key, location } = objectOf(execution)
    return Effect.tryPromise({
      try: async (signal) => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal })
        if (!(Body instanceof Readable)) throw Object.assign(new Error("it is empty"), { code: "EmptyResponse" })
        await pipeline(Body, createWriteStream(path), { signal })
      },
      catch: (error) => failedAs("S3.download", location)(toFailure(error))
    })
  }

  const remove: Exclude<UploadOptions["remove"], undefined> = (execution) => {
    const { key, location } = objectOf(execution)
    return Effect.asVoid(
      Effect.tryPromise({
        try: (abortSignal) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
        catch: (error) => failedAs("S3.remove", location)(toFailure(error))
      })
    )
  }

  return VideoStore.layerUpload({ directory, find, upload, download, remove })
}

// internal

interface Failure {
  readonly reason: VideoStoreProblem
  readonly detail: string
  readonly status: number | undefined
}

const failedAs =
  (operation: string, location: string) =>
  ({ detail, reason }: Pick<Failure, "detail" | "reason">): VideoStoreError =>
    new VideoStoreError({ operation, location, detail, reason })

const textOf = (value: unknown): string => (typeof value === "string" && /^[\w.]{1,80}$/.test(value) ? value : "")

/** The error's code and status. Its message is left out: a server may put keys into it, and the client what it signed. */
const toFailure = (error: unknown): Failure => {
  const { $metadata, code, name } = Object(error)
  const status: unknown = $metadata?.httpStatusCode
  const isStatus = typeof status === "number"
  const what = textOf(code) || textOf(name) || "unknown error"
  return {
    reason: reasonOf(what, isStatus ? status : null),
    detail: isStatus ? `${what}, HTTP ${status}` : what,
    status: isStatus ? status : undefined
  }
}

const reasonOf = (what: string, status: number | null): VideoStoreProblem => {
  if (/Quota|Full|InsufficientCapacity/.test(what) || status === 507) return "full"
  if (/Credentials|Token/.test(what) || status === 401 || status === 403) return "denied"
  if (status === 404) return "missing"
  if (status === 429 || (status !== null && status >= 500)) return "unavailable"
  return status === null && /^E[A-Z]+$|Timeout/.test(what) ? "unavailable" : "unknown"
}
