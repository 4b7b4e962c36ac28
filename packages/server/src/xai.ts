/** Imitates xAI: bodies, status codes and faults as recorded in 2026. Each response is the one that a client gets wrong. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { type Imitation, openai, sameId } from "./imitation.js"
import { type Job, stateOf } from "./Jobs.js"
import { isObject } from "./json.js"
import type { Operation } from "./operations.js"
import { type Fields, type Refusal, refuse } from "./protocol.js"
import type { Body, View } from "./shapes.js"

const clipPath = (id: string): string => `/xai-vidgen-bucket/xai-video-${id}.mp4`

/** The clip's host is another than the API's: a client that sends its key there is refused. */
export const clipUrl = ({ baseUrl }: View, path: string): string => {
  const url = new URL(baseUrl)
  if (url.hostname === "127.0.0.1") url.hostname = "localhost"
  return `${url.origin}${path}`
}

const isModerated = ({ fault }: Job): boolean => fault?.code === "moderation_blocked"

const ticksPerSecond = 500_000_000

const video = (job: Job, view: View): Body => {
  if (view.requestKind === "submission") return { request_id: job.id }
  const { phase, progress } = stateOf(job, view.now)
  const usage = { cost_in_usd_ticks: Math.round(job.recipe.seconds) * ticksPerSecond }
  if (phase === "completed") {
    const clip = { url: clipUrl(view, clipPath(job.id)), duration: job.recipe.seconds, respect_moderation: true }
    return { status: "done", video: clip, model: job.model, usage, progress: 100 }
  }
  if (phase !== "failed") return { status: "pending", progress: progress < 80 ? 1 : progress }
  if (isModerated(job)) {
    const blocked = { url: "", duration: job.recipe.seconds, respect_moderation: false }
    return { status: "done", progress: 100, model: job.model, video: blocked, usage }
  }
  return {
    status: "failed",
    video: { url: "", duration: 0, respect_moderation: true },
    error: { code: job.fault?.code ?? "internal_error", message: job.fault?.message ?? "" },
    progress: 0
  }
}

const bad = (message: string) => Effect.fail(refuse(400, message, { code: "invalid-argument" }))

const shortSides: { readonly [resolution: string]: number } = { "480p": 480, "720p": 720, "1080p": 1080 }

const even = (side: number): number => 2 * Math.round(side / 2)

const sizeOf = ({ aspect_ratio: ratio = "16:9", resolution = "480p" }: Fields): string | null => {
  const [width = 0, height = 0] = String(ratio).split(":").map(Number)
  const short = shortSides[String(resolution)]
  if (short === undefined || !(width > 0) || !(height > 0)) return null
  return width > height ? `${even((short * width) / height)}x${short}` : `${short}x${even((short * height) / width)}`
}

const lengths: { readonly [operation in Operation]?: readonly [min: number, max: number, standard: number] } = {
  create: [1, 15, 8],
  extend: [2, 10, 6]
}

/** A field of a wrong type is refused as text, by the framework. */
const untyped = (message: string) =>
  Effect.fail(refuse(422, `Failed to deserialize the JSON body into the target type: ${message}`, { code: "untyped" }))

const fields = (given: Fields, operation: Operation): Effect.Effect<Fields, Refusal> => {
  const [min, max, standard] = lengths[operation] ?? [1, 15, 8]
  const { duration = standard, image, model, prompt, video: source } = given
  if (!Number.isInteger(duration)) return untyped("duration: invalid type, expected u32")
  if (Number(duration) < min || Number(duration) > max) return bad(`duration must be between ${min} and ${max}`)
  if (typeof model !== "string") return bad("Missing required field: model")
  if (operation !== "create" && model !== "grok-imagine-video")
    return bad(`${operation} is not supported for this model`)
  const common = { prompt, model, seconds: String(duration) }
  if (operation !== "create") {
    return isObject(source) ? Effect.succeed({ ...common, video: source }) : untyped("video: expected struct")
  }
  const size = sizeOf(given)
  if (size === null) return bad("Invalid aspect_ratio or resolution")
  const reference = isObject(image)
    ? { input_reference: image.url === undefined ? { file_id: image.file_id } : { image_url: image.url } }
    : {}
  return Effect.succeed({ ...common, size, ...reference })
}

/** @internal */
export const xai: Imitation = {
  ...openai,
  serves: new Set<Operation>(["create", "extend", "edit", "retrieve"]),
  paths: { create: ["generations"] },
  newIds: () => sameId(randomUUID()),
  bodies: () => "json",
  limits: "any",
  clipPath,
  fields,
  video,
  submitHeaders: ({ id }) => ({ "x-request-id": id }),
  isEmptyWhileQueued: true,
  retrieveStatus: (_, { phase }) => (phase === "queued" || phase === "in_progress" ? 202 : 200),
  errorOverrides: {
    rate_limit_exceeded: { code: "resource-exhausted" },
    invalid_api_key: {
      status: 400,
      code: "invalid-argument",
      message: () => "Incorrect API key provided. Get one at https://console.x.ai."
    }
  },
  errorBody: ({ code, message }) =>
    code === "untyped" ? message : { code: code ?? "invalid-argument", error: message }
}
