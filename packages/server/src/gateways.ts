/** Imitates aiproxy, OpenRouter, llmgateway and Dynamo, as read in their sources and documents in November 2026. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { type Imitation, openai, sameId } from "./imitation.js"
import { type Job, stateOf } from "./Jobs.js"
import { isObject } from "./json.js"
import type { Operation } from "./operations.js"
import { type Fields, type Refusal, refuse, UploadedFile } from "./protocol.js"
import { type Body, detailError, protocolVideo, type View } from "./shapes.js"
import { clipUrl } from "./xai.js"

const bad = (message: string, param?: string) => Effect.fail(refuse(400, message, { param }))

const unix = (millis: number): number => Math.floor(millis / 1000)

const serving = (...served: ReadonlyArray<Operation>): ReadonlySet<Operation> => new Set(served)

// -----------------------------------------------------------------------------
// aiproxy
// -----------------------------------------------------------------------------

/** `video` is a text; the protocol's object is refused. */
const textSource = (given: Fields, operation: Operation): Effect.Effect<Fields, Refusal> => {
  const { seconds, video } = given
  const common = { ...given, ...(seconds === undefined ? {} : { seconds: String(seconds) }) }
  if (operation !== "extend" && operation !== "edit") return Effect.succeed(common)
  if (video instanceof UploadedFile) return Effect.succeed(common)
  if (typeof video !== "string" || video === "") return bad("video_id is required")
  return Effect.succeed({ ...common, video: /^(https?|data):/.test(video) ? { url: video } : { id: video } })
}

/** @internal */
export const aiproxy: Imitation = {
  ...openai,
  serves: serving("create", "extend", "edit", "remix", "retrieve", "delete", "content"),
  limits: "any",
  reference: "text",
  clipPath: (id) => `/clips/${id}.mp4`,
  fields: textSource,
  video: (job, view) => {
    const { completed_at: _, expires_at: __, progress, seconds, ...rest } = protocolVideo(job, view)
    // Zero values are left out.
    return { ...rest, seconds: Math.round(Number(seconds)), ...(progress === 0 ? {} : { progress }) }
  },
  errorBody: detailError
}

// -----------------------------------------------------------------------------
// OpenRouter
// -----------------------------------------------------------------------------

const priceOf = (job: Job): number => Math.round(job.recipe.seconds * 5) / 100

/** A model whose name ends in `-extend` takes `previous_job_id`: which of the real ones do is not known. */
const previousJob = (given: Fields): Effect.Effect<Fields, Refusal> => {
  const { duration, frame_images: frames, model, previous_job_id: previous, ...rest } = given
  if (typeof model !== "string") return bad("model is required")
  if (duration !== undefined && !Number.isInteger(duration)) return bad("duration must be an integer")
  if (previous !== undefined && !model.endsWith("-extend")) return bad(`${model} does not support previous_job_id`)
  const first: unknown = Array.isArray(frames) ? frames[0] : undefined
  const image = isObject(first) && isObject(first.image_url) ? first.image_url.url : undefined
  return Effect.succeed({
    ...rest,
    model,
    ...(duration === undefined ? {} : { seconds: String(duration) }),
    ...(image === undefined ? {} : { input_reference: { image_url: image } }),
    ...(previous === undefined ? {} : { video: { id: previous } })
  })
}

const openrouterVideo = (job: Job, view: View): Body => {
  const { phase } = stateOf(job, view.now)
  const url = `${view.baseUrl}/videos/${job.id}`
  const common = { id: job.id, polling_url: url }
  if (view.requestKind === "submission" || phase === "queued") return { ...common, status: "pending" }
  const generation = { ...common, generation_id: `gen-${unix(job.createdAt)}-x` }
  if (phase === "in_progress") return { ...generation, status: "in_progress" }
  return phase === "failed"
    ? { ...generation, status: "failed", error: job.fault?.message ?? "" }
    : {
        ...generation,
        status: "completed",
        unsigned_urls: [`${url}/content?index=0`],
        usage: { cost: priceOf(job), is_byok: false }
      }
}

/** @internal */
export const openrouter: Imitation = {
  ...openai,
  bases: ["/api/v1"],
  serves: serving("create", "retrieve", "content"),
  newIds: () => sameId(`gen-vid-${unix(Date.now())}-${randomBytes(10).toString("hex")}`),
  bodies: () => "json",
  limits: "any",
  modelRequired: true,
  fields: previousJob,
  submitStatus: 202,
  video: openrouterVideo,
  variant: "ignored",
  ranges: false,
  errorOverrides: { video_not_ready: { status: 409 }, video_failed: { status: 409 } },
  errorBody: ({ message, status }) => ({ error: { message, code: status } })
}

// -----------------------------------------------------------------------------
// llmgateway
// -----------------------------------------------------------------------------

const integerSeconds = (given: Fields): Effect.Effect<Fields, Refusal> => {
  const { callback_secret: secret, callback_url: url, image, seconds, ...rest } = given
  if (!Number.isInteger(seconds)) return bad("seconds: expected an integer", "seconds")
  if ((secret === undefined) !== (url === undefined)) return bad("callback_url and callback_secret: both or neither")
  return Effect.succeed({
    ...rest,
    seconds: String(seconds),
    ...(image === undefined ? {} : { input_reference: image })
  })
}

/** @internal */
export const llmgateway: Imitation = {
  ...openai,
  serves: serving("create", "retrieve", "content"),
  keyHeaders: ["x-api-key"],
  bodies: () => "json",
  limits: "any",
  reference: "text",
  clipPath: (id) => `/v1/videos/logs/${id}/content`,
  fields: integerSeconds,
  video: (job, view) => {
    const { prompt: _, remixed_from_video_id: __, seconds: ___, size: ____, ...rest } = protocolVideo(job, view)
    if (stateOf(job, view.now).phase !== "completed") return rest
    const url = `${clipUrl(view, `/v1/videos/logs/${job.id}/content`)}?token=t`
    return { ...rest, content: [{ type: "video", url, mime_type: "video/mp4" }], usage: { cost: priceOf(job) } }
  },
  variant: "ignored",
  errorOverrides: { video_not_ready: { status: 409 }, video_failed: { status: 409 } }
}

// -----------------------------------------------------------------------------
// Dynamo
// -----------------------------------------------------------------------------

/** @internal */
export const dynamo: Imitation = {
  ...openai,
  serves: serving("create"),
  bodies: () => "json",
  limits: "any",
  reference: "text",
  otherMethod: 405,
  waitsForEnd: true,
  clipPath: (id) => `/clips/${id}.mp4`,
  video: (job, view) => {
    const { phase } = stateOf(job, view.now)
    return {
      id: job.id,
      object: "video",
      model: job.model,
      status: phase,
      progress: 100,
      created: unix(job.createdAt),
      data: phase === "completed" ? [{ output_format: "mp4", url: clipUrl(view, `/clips/${job.id}.mp4`) }] : [],
      error: job.fault?.message ?? null
    }
  },
  errorBody: detailError
}
