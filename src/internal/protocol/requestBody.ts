/** From a request's fields in the protocol's own words to the fields that a dialect has for them. */
import type { Dialect, SecondsRange } from "./dialect.js"
import * as wire from "./jsonReaders.js"

/** The range for people. */
export const describeRange = ({ max, min, step = 1 }: SecondsRange): string => {
  if (max === undefined) return `a whole number of seconds, ${min} or more`
  if (step === 1) return `a whole number of seconds from ${min} to ${max}`
  const values = Array.from({ length: Math.floor((max - min) / step) + 1 }, (_, index) => min + index * step)
  return `${values.slice(0, -1).join(", ")} or ${values.at(-1)} (a number of seconds)`
}

/** Whether a clip of this length is neither too short nor too long; clips need not have whole seconds. */
export const isWithin = (seconds: number, { max = Number.POSITIVE_INFINITY, min }: SecondsRange): boolean =>
  seconds >= min && seconds <= max

export const isInRange = (seconds: number, range: SecondsRange): boolean =>
  isWithin(seconds, range) && Number.isInteger((seconds - range.min) / (range.step ?? 1))

const aspectRatios = ["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3"]

const ratioOf = (text: string): number => {
  const [width, height] = text.split(/[:x]/).map(Number)
  return Math.log((width ?? 0) / (height ?? 0))
}

/** `1280x720` as the nearest aspect ratio, and the resolution by its shorter side. A ratio or `720p` is sent as it is. */
const aspectOf = (size: string): wire.JsonObject => {
  if (/^\d+p$/i.test(size)) return { resolution: size }
  if (/^\d+:\d+$/.test(size)) return { aspect_ratio: size }
  const sides = /^(\d+)x(\d+)$/i.exec(size)
  if (sides === null) return { resolution: size }
  const ratio = ratioOf(size.toLowerCase())
  const distance = (other: string) => Math.abs(ratioOf(other) - ratio)
  const shorter = Math.min(Number(sides[1]), Number(sides[2]))
  return {
    aspect_ratio: aspectRatios.reduce((best, other) => (distance(other) < distance(best) ? other : best)),
    resolution: shorter >= 1080 ? "1080p" : shorter >= 720 ? "720p" : "480p"
  }
}

const imageOf = (reference: wire.JsonObject, image: Dialect["image"]): wire.JsonObject => {
  const { file_id: id, image_url: url } = reference
  switch (image) {
    case "object":
      return { input_reference: reference }
    case "url":
      return { input_reference: typeof url === "string" ? url : reference }
    case "image_reference":
      return { image_reference: JSON.stringify(reference) }
    case "image":
      return { image: typeof url === "string" ? { url } : { file_id: id } }
    case "frame_images":
      return { frame_images: [{ type: "image_url", image_url: { url }, frame_type: "first_frame" }] }
  }
}

const sourceOf = (reference: wire.JsonObject, { field = "video", job, url }: Dialect["source"]): wire.JsonObject => {
  const isText = ("id" in reference && job === "text") || ("url" in reference && url === "text")
  return { [field]: isText ? (reference.id ?? reference.url) : reference }
}

/** A field of the protocol as the dialect's fields, or `null` if it is the same there. */
const translate = (name: string, value: unknown, dialect: Dialect): wire.JsonObject | null => {
  switch (name) {
    case "seconds":
      return { [dialect.seconds.field]: dialect.seconds.type === "number" ? wire.seconds(value) : value }
    case "size":
      return dialect.size === "size" || typeof value !== "string" ? null : aspectOf(value)
    case "input_reference":
      return wire.isObject(value) ? imageOf(value, dialect.image) : null
    case "video":
      return wire.isObject(value) ? sourceOf(value, dialect.source) : null
    default:
      return null
  }
}

/** The body in the dialect's words. Later fields win: a server's own parameters come last. */
export const dialectBody = (body: wire.JsonObject, dialect: Dialect): wire.JsonObject =>
  Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) =>
      Object.entries(translate(name, value, dialect) ?? { [name]: value })
    )
  )
