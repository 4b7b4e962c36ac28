/** Decodes and encodes a `VideoResource`: the one place that knows how servers deviate from the protocol. */
import * as DateTime from "effect/DateTime"
import { failureReason } from "./failureReason.js"
import * as wire from "./jsonReaders.js"
import { giveLong, holdLong, sameJson } from "./longText.js"
import { phaseOfStatus } from "./phase.js"
import type { VideoId } from "./videoId.js"
import type { VideoCharacter, VideoCost, VideoResource, VideoResourceEncoded } from "./videoTypes.js"

// The protocol's own names. The rest of a body is `extra`.
export const known: ReadonlySet<string> = new Set(
  "id object model status progress created_at completed_at expires_at prompt size seconds remixed_from_video_id error cost".split(
    " "
  )
)

export const time = (value: unknown, last: DateTime.Utc | null = null): DateTime.Utc | null => {
  const millis = wire.unixMillis(value)
  if (millis === null) return null
  return millis === last?.epochMillis ? last : DateTime.unsafeMake(millis)
}

const nothing: wire.JsonObject = Object.freeze({})

const isBlank = (raw: unknown): boolean => raw === null || raw === undefined || raw === "" || raw === 0

/** Reads a body field by field. A page has a hundred of them, so that each is read without a closure of its own. */
export class FieldReader {
  /** Unknown fields, and fields that could not be decoded. */
  private readonly rest: Array<readonly [string, unknown]> = []
  private readonly body: wire.JsonObject

  constructor(body: wire.JsonObject, known: ReadonlySet<string>) {
    this.body = body
    for (const key of Object.keys(body)) if (!known.has(key)) this.rest.push([key, body[key]])
  }

  /** `last`, if it is equal: the texts of a known job are kept in memory once. */
  read<A>(key: string, reader: (value: unknown, last: A | null) => A | null, last: A | null = null): A | null {
    const raw = this.body[key]
    const value = reader(raw, last)
    if (value === null && !isBlank(raw)) this.rest.push([key, raw])
    return value === last ? last : value
  }

  // `fromEntries` defines properties, so that a `__proto__` key is data and changes no prototype.
  extra(): wire.JsonObject {
    return this.rest.length === 0 ? nothing : Object.fromEntries(this.rest)
  }
}

const costOf = (cost: VideoCost | null): Pick<VideoResource, "cost"> => (cost === null ? nothing : { cost })

/** `last` is what was read of the same job before: what has not changed is the same object again. */
export const fromWire = (body: VideoResourceEncoded, last: VideoResource | null = null): VideoResource => {
  const fields = new FieldReader(body, known)
  const { status } = body
  // Dynamo says `created`.
  const created =
    body.created === undefined
      ? time
      : (value: unknown, last: DateTime.Utc | null) => time(value, last) ?? time(body.created, last)
  const video: VideoResource = {
    id: last === null ? (body.id as VideoId) : last.id,
    object: fields.read("object", wire.text, last?.object) ?? "video",
    model: fields.read("model", wire.text, last?.model),
    status: typeof status === "number" ? String(status) : (fields.read("status", wire.text, last?.status) ?? "unknown"),
    progress: fields.read("progress", wire.percent),
    createdAt: fields.read("created_at", created, last?.createdAt),
    completedAt: fields.read("completed_at", time, last?.completedAt),
    expiresAt: fields.read("expires_at", time, last?.expiresAt),
    prompt: fields.read("prompt", wire.text, last?.prompt),
    size: fields.read("size", wire.text, last?.size),
    seconds: fields.read("seconds", wire.seconds),
    remixedFromVideoId: fields.read("remixed_from_video_id", wire.id, last?.remixedFromVideoId),
    error: fields.read("error", wire.fault),
    ...costOf(fields.read("cost", wire.cost)),
    extra: holdLong(fields.extra())
  }
  const read = phaseOfStatus(video.status) === "failed" ? { ...video, error: failureReason(body, video.error) } : video
  return last !== null && isSameSnapshot(last, read) ? last : read
}

export const unixSeconds = (value: DateTime.Utc | null): number | null =>
  value === null ? null : value.epochMillis / 1000

export const toWire = (video: VideoResource): VideoResourceEncoded => {
  // A field that could not be read is in `extra` under its wire name: it goes back as it came.
  const extra = giveLong(video.extra)
  const field = (name: string, value: unknown, unread: unknown = null) =>
    value === unread && Object.hasOwn(extra, name) ? extra[name] : value
  return {
    ...extra,
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
    error: field("error", video.error),
    ...(video.cost === undefined ? {} : { cost: video.cost })
  }
}

/**
 * Whether two snapshots say the same, field by field, `extra` included. What a watch calls "no change".
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSameSnapshot = (a: VideoResource, b: VideoResource): boolean =>
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
  sameJson(a.error, b.error) &&
  sameJson(a.cost, b.cost) &&
  sameJson(a.extra, b.extra)

const sameTime = (a: DateTime.Utc | null, b: DateTime.Utc | null): boolean =>
  a === b || (a !== null && b !== null && a.epochMillis === b.epochMillis)

const characterFields: ReadonlySet<string> = new Set(["id", "name", "created_at"])

export const characterFromWire = (body: VideoResourceEncoded): VideoCharacter => {
  const fields = new FieldReader(body, characterFields)
  return {
    id: fields.read("id", wire.id),
    name: fields.read("name", wire.text),
    createdAt: fields.read("created_at", time),
    extra: fields.extra()
  }
}

export const characterToWire = ({ createdAt, extra, id, name }: VideoCharacter): VideoResourceEncoded => {
  const fields = { id, name, created_at: unixSeconds(createdAt) }
  const read = Object.entries(fields).filter(([key, value]) => value !== null || !Object.hasOwn(extra, key))
  return { ...extra, ...Object.fromEntries(read) }
}
