/** The one place where an answer's accent is undone: the wire's JSON to a `VideoResource`, and back. */
import * as DateTime from "effect/DateTime"
import type { VideoCharacter, VideoId, VideoResource, VideoResourceEncoded } from "../Schema.js"
import * as wire from "./wire.js"

// The protocol's own names. The rest of a body is `extra`.
export const known: ReadonlySet<string> = new Set(
  "id object model status progress created_at completed_at expires_at prompt size seconds remixed_from_video_id error".split(
    " "
  )
)

export const time = (value: unknown): DateTime.Utc | null => {
  const millis = wire.unixMillis(value)
  return millis === null ? null : DateTime.unsafeMake(millis)
}

/**
 * Reads a body field by field. What is not a field, and what could not be read as one, is `extra`, under its wire name.
 */
const reading = (body: VideoResourceEncoded, fields: ReadonlySet<string>) => {
  const rest: Array<readonly [string, unknown]> = []
  for (const key of Object.keys(body)) if (!fields.has(key)) rest.push([key, body[key]])
  return {
    read: <A>(key: string, reader: (value: unknown) => A | null): A | null => {
      const raw = body[key]
      const value = reader(raw)
      if (value === null && raw !== null && raw !== undefined && raw !== "" && raw !== 0) rest.push([key, raw])
      return value
    },
    // `fromEntries` defines properties, so that a `__proto__` key is data and changes no prototype.
    extra: () => Object.fromEntries(rest)
  }
}

export const fromWire = (body: VideoResourceEncoded): VideoResource => {
  const { extra, read } = reading(body, known)
  const { status } = body
  return {
    id: body.id as VideoId,
    object: read("object", wire.text) ?? "video",
    model: read("model", wire.text),
    status: typeof status === "number" ? String(status) : (read("status", wire.text) ?? "unknown"),
    progress: read("progress", wire.percent),
    // Dynamo says `created`.
    createdAt: read("created_at", (value) => time(value) ?? time(body.created)),
    completedAt: read("completed_at", time),
    expiresAt: read("expires_at", time),
    prompt: read("prompt", wire.text),
    size: read("size", wire.text),
    seconds: read("seconds", wire.seconds),
    remixedFromVideoId: read("remixed_from_video_id", wire.text),
    error: read("error", wire.fault),
    extra: extra()
  }
}

export const unixSeconds = (value: DateTime.Utc | null): number | null =>
  value === null ? null : value.epochMillis / 1000

export const toWire = (video: VideoResource): VideoResourceEncoded => {
  // A field that could not be read is in `extra` under its wire name: it goes back as it came.
  const field = (name: string, value: unknown, unread: unknown = null) =>
    value === unread && Object.hasOwn(video.extra, name) ? video.extra[name] : value
  return {
    ...video.extra,
    id: video.id,
    object: field("object", video.object, "video"),
    model: field("model", video.model),
    status: field("status", video.status, "unknown"),
    progress: field("progress", video.progress),
    created_at: field("created_at", unixSeconds(video.createdAt)),
    completed_at: field("completed_at", unixSeconds(video.completedAt)),
    expires_at: field("expires_at", unixSeconds(video.expiresAt)),
    prompt: field("prompt", video.prompt),
    size: field("size", video.size),
    seconds: field("seconds", video.seconds === null ? null : String(video.seconds)),
    remixed_from_video_id: field("remixed_from_video_id", video.remixedFromVideoId),
    error: field("error", video.error)
  }
}

/** Field by field, `extra` included. */
export const isSame = (a: VideoResource, b: VideoResource): boolean =>
  a.status === b.status &&
  a.progress === b.progress &&
  a.id === b.id &&
  a.object === b.object &&
  a.model === b.model &&
  sameTime(a.createdAt, b.createdAt) &&
  sameTime(a.completedAt, b.completedAt) &&
  sameTime(a.expiresAt, b.expiresAt) &&
  a.prompt === b.prompt &&
  a.size === b.size &&
  a.seconds === b.seconds &&
  a.remixedFromVideoId === b.remixedFromVideoId &&
  wire.sameJson(a.error, b.error) &&
  wire.sameJson(a.extra, b.extra)

const sameTime = (a: DateTime.Utc | null, b: DateTime.Utc | null): boolean =>
  a === b || (a !== null && b !== null && a.epochMillis === b.epochMillis)

const characterFields: ReadonlySet<string> = new Set(["id", "name", "created_at"])

/** @internal */
export const characterFromWire = (body: VideoResourceEncoded): VideoCharacter => {
  const { extra, read } = reading(body, characterFields)
  return {
    id: read("id", wire.text),
    name: read("name", wire.text),
    createdAt: read("created_at", time),
    extra: extra()
  }
}

/** @internal */
export const characterToWire = ({ createdAt, extra, id, name }: VideoCharacter): VideoResourceEncoded => {
  const fields = { id, name, created_at: unixSeconds(createdAt) }
  const read = Object.entries(fields).filter(([key, value]) => value !== null || !Object.hasOwn(extra, key))
  return { ...extra, ...Object.fromEntries(read) }
}
