/**
 * Where a completed job says that its clip is: in which of its fields a URL, or the clip itself, may stand. Only these fields
 * are followed. A URL in any other text of a server is text: a prompt that a server repeats can name any address.
 */

import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Stream from "effect/Stream"
import * as wire from "../protocol/jsonReaders.js"
import { textIn } from "../protocol/longText.js"
import { phaseOf, type VideoResource } from "../protocol/videoSchemas.js"

/** A clip inside its job, or its URL. `field` is its path in the job, such as `data[0].url`. */
export type ContentSource =
  | { readonly _tag: "Url"; readonly field: string; readonly url: string }
  | { readonly _tag: "Bytes"; readonly field: string; readonly base64: string }

/**
 * The fields, and the servers that write them; the first that holds something comes first. As read in the servers' sources and documents
 * in November 2026. `metadata` is what a caller sent, in most servers: new-api alone writes the clip's URL there.
 */
const fields: ReadonlyArray<string> = [
  // Dynamo, and before it OpenAI's images: the clip itself
  "data[0].b64_json b64_json",
  // SGLang with a cloud store; what aiperf reads
  "url",
  // CLIProxyAPI on its OpenAI side, and many gateways
  "video_url result_url output_url file_url download_url media_url signed_url public_url video_uri",
  // new-api
  "metadata.url metadata.result_url",
  // Dynamo
  "data[0].url data[0].video_url data[0].video.url",
  // xAI, and what speaks its dialect: CLIProxyAPI, sub2api, new-api's plugin
  "video.url video.video_url video.download_url video.file_url video",
  // OpenRouter
  "unsigned_urls[0] urls[0]",
  // llmgateway; Doubao's own tasks
  "content[0].url content.url content.video_url",
  // evolink
  "results[0] results[0].url results[0].video_url",
  // Replicate, Runway, and what is in front of them
  "output output[0] output.url output.video_url output.video output.video.url output[0].url output[0].video_url outputs[0] outputs[0].url outputs.video outputs.video.url output_urls[0]",
  // Bifrost, fal, Kling
  "videos[0] videos[0].url videos[0].video_url videos[0].video.url video_urls[0]",
  // Luma
  "assets.video assets.video.url assets[0] assets[0].url",
  "generations[0].url generations[0].video generations[0].video.url generations[0].assets.video generation.url",
  // fal, Kling, and gateways that pass an upstream's response through
  "result result.url result.video_url result.video result.video.url result.videos[0] result.videos[0].url result.output result.output[0] result.output.url result[0] result[0].url",
  "task_result.videos[0].url data.task_result.videos[0].url data.url data.video_url data.result_url data.video data.video.url data.videos[0].url data.output data.output[0] data.output.url data.output.video_url",
  "response.url response.video_url response.video.url response.videos[0].url",
  "file file.url files[0] files[0].url media.url media[0].url artifacts[0].url download.url"
]
  .join(" ")
  .split(" ")

const valueAt = (value: unknown, field: string): unknown =>
  field
    .split(/[.[\]]+/)
    .filter((name) => name !== "")
    .reduce<unknown>(
      (inner, name) =>
        typeof inner === "object" && inner !== null && Object.hasOwn(inner, name)
          ? Reflect.get(inner, name)
          : undefined,
      value
    )

const isHttp = (text: string): boolean => /^https?:\/\/[^\s/]\S*$/i.test(text) && URL.canParse(text)

/** A path of the server: from its root, or with a film's ending. */
export const isRelative = (text: string): boolean =>
  /^\/\S*$/.test(text) || /^(\.\/)?[\w.%~-]+(\/[\w.%~-]+)*\.(mp4|m4v|mov|webm|mkv|avi|ts|mpe?g)(\?\S*)?$/i.test(text)

/** `s3:`, `file:` and the like: the client cannot follow them, and fails with an error that says so. */
const isElsewhere = (text: string): boolean => /^[a-z][a-z0-9+.-]+:\/\/\S+$/i.test(text)

const sourceOf = (field: string, value: unknown): ContentSource | null => {
  const text = textIn(value)?.trim() ?? ""
  if (text === "") return null
  if (/(^|\.)b64_json$/.test(field)) return { _tag: "Bytes", field, base64: text }
  const data = /^data:[^,]{0,200};base64,/i.exec(text)
  if (data !== null) return { _tag: "Bytes", field, base64: text.slice(data[0].length) }
  return isHttp(text) || isRelative(text) || isElsewhere(text) ? { _tag: "Url", field, url: text } : null
}

/** At most this many are requested: they are most often the same URL. */
const maxSources = 4

/** Where a completed job's clip may be, the likeliest first. A job that has not completed has none: its `url` may be a reason. */
export const sourcesOf = (video: VideoResource): ReadonlyArray<ContentSource> => {
  if (phaseOf(video) !== "succeeded") return []
  const found: Array<ContentSource> = []
  for (const field of fields) {
    const source = sourceOf(field, valueAt(video.extra, field))
    const isKnown = found.some((other) => other._tag === "Url" && source?._tag === "Url" && other.url === source.url)
    if (source !== null && !isKnown) found.push(source)
  }
  const rank = (source: ContentSource) =>
    source._tag === "Bytes" || isHttp(source.url) ? 0 : isRelative(source.url) ? 1 : 2
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, maxSources)
}

/** Whether the value is a snapshot of a job, not its id alone. */
export const isSnapshot = (video: unknown): video is VideoResource =>
  wire.isObject(video) && typeof video.id === "string" && typeof video.status === "string" && wire.isObject(video.extra)

// -----------------------------------------------------------------------------
// what an error may say
// -----------------------------------------------------------------------------

const maxAddresses = 8
const maxDepth = 6

/** A URL without user, query and fragment: they may be secret. */
const shownUrl = (text: string): string => {
  const shown = text.replace(/[?#].*$/s, "").replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1")
  return shown.length > 200 ? `${shown.slice(0, 200)}…` : shown
}

/** The URLs in a text without their queries: they may be signed. */
export const withoutQueries = (text: string): string =>
  text.replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s"'<>?#\\]*)[?#][^\s"'<>\\]*/gi, "$1?<redacted>")

/** The fields of a job that hold a whole URL, wherever they are: one of them may be where its clip is. */
export const addressesIn = ({
  extra
}: VideoResource): ReadonlyArray<{ readonly field: string; readonly location: string }> => {
  const found: Array<{ readonly field: string; readonly location: string }> = []
  const visit = (value: unknown, field: string, depth: number): void => {
    if (found.length >= maxAddresses || depth > maxDepth) return
    if (typeof value === "string" && isElsewhere(value.trim())) found.push({ field, location: shownUrl(value.trim()) })
    if (typeof value !== "object" || value === null) return
    const isList = Array.isArray(value)
    for (const [name, item] of Object.entries(value).slice(0, isList ? maxAddresses : Infinity)) {
      visit(item, isList ? `${field}[${name}]` : field === "" ? name : `${field}.${name}`, depth + 1)
    }
  }
  visit(extra, "", 0)
  return found
}

// -----------------------------------------------------------------------------
// bytes
// -----------------------------------------------------------------------------

/** Signs of base64 that are decoded at once: 48 KiB of bytes. */
const blockSize = 64 * 1024

/** How many bytes a base64 text without white space stands for; `null` if it has some. */
export const base64Length = (base64: string): number | null =>
  /\s/.test(base64) ? null : Math.floor(((base64.length - (/=*$/.exec(base64.slice(-2))?.[0].length ?? 0)) * 3) / 4)

/** Decodes a base64 text, also in its URL alphabet and in lines, a block at a time: the clip is never in memory twice. */
export const decodeBase64 = <E>(base64: string, onInvalid: () => E): Stream.Stream<Uint8Array, E> => {
  const last = Math.ceil(base64.length / blockSize) - 1
  return Stream.range(0, last, 1).pipe(
    Stream.mapAccum("", (rest, block) => {
      const signs = rest + base64.slice(block * blockSize, (block + 1) * blockSize).replace(/\s/g, "")
      const end = block === last ? signs.length : signs.length - (signs.length % 4)
      return [signs.slice(end), signs.slice(0, end)]
    }),
    Stream.mapEffect((signs) => {
      const bare = signs
        .replace(/-/g, "+")
        .replace(/_/g, "/")
        .replace(/={1,2}$/, "")
      return Effect.mapError(Encoding.decodeBase64(bare.padEnd(Math.ceil(bare.length / 4) * 4, "=")), onInvalid)
    })
  )
}
