/** The dialects of the servers that people run, as read in their sources and documents in November 2026. */
import type { Dialect } from "../protocol/dialect.js"
import { anyLength, anyServer, openai } from "./openai.js"

/** The operations of servers that make clips and derive none. */
const withoutDerivation: Dialect["paths"] = {
  ...openai.paths,
  extendVideo: null,
  editVideo: null,
  remixVideo: null,
  createCharacter: null,
  retrieveCharacter: null
}

/** A server without a public address, which makes clips alone and leaves their length to the model. */
const selfHosted: Dialect = { ...anyServer, home: null, paths: withoutDerivation, listTrusted: false }

/** The same protocol under `{resource}/openai/v1`, with Azure's own header. */
const azure: Dialect = { ...openai, name: "azure", home: null, authHeader: "api-key" }

/**
 * A proxy: what works depends on the provider behind it, and an extension needs one that speaks the protocol. No DELETE route;
 * most providers raise NotImplementedError for the list; a file is accepted by `/edits` alone.
 */
const litellm: Dialect = {
  ...selfHosted,
  name: "litellm",
  paths: { ...openai.paths, deleteVideo: null },
  source: { ...openai.source, file: "edit" },
  extension: "unknown"
}

/**
 * xAI's own, which CLIProxyAPI, sub2api and new-api (`{host}/xai/v1`) serve too. Read in November 2026 in docs.x.ai, in
 * xai-proto and in recorded traffic. A job can be extended by the URL of its clip alone, and only with `grok-imagine-video`;
 * the result is the whole clip. It has no list: a submission whose response is lost cannot be found again.
 */
const xai: Dialect = {
  ...openai,
  name: "xai",
  home: { baseUrl: "https://api.x.ai/v1", keyVariable: "XAI_API_KEY" },
  paths: {
    ...withoutDerivation,
    createVideo: "/videos/generations",
    extendVideo: "/videos/extensions",
    editVideo: "/videos/edits",
    listVideos: null,
    deleteVideo: null,
    // The clip is at the job's URL, on another host, which gets no key.
    downloadVideo: null
  },
  seconds: { field: "duration", type: "number", create: { min: 1, max: 15 }, extend: { min: 2, max: 10 } },
  size: "aspect_ratio",
  files: "dataUrl",
  image: "image",
  source: {
    job: "url",
    url: "object",
    fileId: "object",
    file: true,
    // The Files API's limit; that of a data URL is not documented.
    maxBytes: 50 * 1024 * 1024,
    extendable: { min: 2, max: 15 },
    urlLifetime: "24 hours"
  },
  derivedModel: "grok-imagine-video",
  response: {
    // The last five are sub2api's.
    id: ["request_id", "id", "data.request_id", "data.id", "video.request_id", "video.id"],
    // Four recorded submissions had the job's id there.
    idHeader: "x-request-id",
    seconds: "video.duration",
    url: "video.url",
    cost: { field: "usage.cost_in_usd_ticks", unit: 10 ** 10, currency: "USD" },
    progressMeansRunning: true,
    moderation: { field: "video.respect_moderation", message: /moderat/i, isBilled: true },
    isEmptyWhilePending: true,
    fromRequest: ["model", "prompt", "size", "createdAt"]
  },
  listTrusted: false
}

/**
 * labring/aiproxy at commit aebeb5ec: the protocol over Wan, Seedance and Veo, extensions included. `video` is a text, a job's id
 * or a URL; the protocol's `{ id }` is refused. No list, no characters.
 */
const aiproxy: Dialect = {
  ...selfHosted,
  name: "aiproxy",
  paths: { ...openai.paths, listVideos: null, createCharacter: null, retrieveCharacter: null },
  image: "url",
  source: { job: "text", url: "text", fileId: null, file: true },
  extension: "unknown"
}

/**
 * OpenRouter's `/api/v1`, as its documents and SDK 1.3.19 have it. An extension is a new job with `previous_job_id`; no model is
 * confirmed to take it, and the refusal is free. No list, no deletion.
 */
const openrouter: Dialect = {
  ...selfHosted,
  name: "openrouter",
  home: {
    baseUrl: "https://openrouter.ai/api/v1",
    keyVariable: "OPENROUTER_API_KEY",
    baseUrlVariable: "OPENROUTER_BASE_URL"
  },
  paths: {
    ...withoutDerivation,
    extendVideo: "/videos",
    listVideos: null,
    deleteVideo: null,
    downloadVideo: "/videos/{id}/content?index=0"
  },
  seconds: { ...anyLength, field: "duration", type: "number" },
  files: "dataUrl",
  image: "frame_images",
  source: { field: "previous_job_id", job: "text", url: null, fileId: null, file: false },
  derivedModel: "ofSource",
  callbackField: "callback_url",
  webhookScheme: "openrouter",
  extension: "unknown",
  response: {
    createdAtInId: /^gen-vid-(\d{9,10})-/,
    cost: { field: "usage.cost", unit: 1, currency: "USD" },
    statuses: { dead: "failed" },
    fromRequest: ["model", "prompt", "size", "createdAt", "seconds"]
  }
}

/** theopenco/llmgateway: creates, polls and downloads; extends nothing, and has no list. `seconds` is a number and required. */
const llmgateway: Dialect = {
  ...selfHosted,
  name: "llmgateway",
  home: { baseUrl: "https://api.llmgateway.io/v1", keyVariable: "LLM_GATEWAY_API_KEY" },
  paths: { ...withoutDerivation, listVideos: null, deleteVideo: null },
  seconds: { ...anyLength, type: "number" },
  files: "dataUrl",
  image: "url",
  callbackField: "callback_url",
  webhookScheme: "llmgateway",
  response: {
    cost: { field: "usage.cost", unit: 1, currency: "USD" },
    fromRequest: ["prompt", "size", "seconds"]
  }
}

/** Forms only (FastAPI's `Form(...)`); `input_reference` is a file there, and an object is dropped without a word. */
const vllmOmni: Dialect = {
  ...selfHosted,
  name: "vllm-omni",
  encoding: "form",
  image: "image_reference",
  videoReference: "video_reference",
  listTrusted: true
}

/**
 * `input_reference` must be a text; the list has neither `has_more` nor cursors. With a cloud store, the content route responds
 * 400 with the clip's signed URL in `detail` (`get_video_content` in its video_api.py).
 */
const sglang: Dialect = {
  ...selfHosted,
  name: "sglang",
  image: "url",
  contentUrlPattern: /^Video has been uploaded to cloud storage\. Please use the cloud URL: (https?:\/\/\S+)$/
}

/** No list, delete, edit, extension or characters under `/v1`. Its `/xai/v1` speaks the dialect `xai`, and extends. */
const newApi: Dialect = {
  ...selfHosted,
  name: "new-api",
  paths: { ...withoutDerivation, remixVideo: "/videos/{id}/remix", listVideos: null, deleteVideo: null },
  image: "url"
}

/**
 * `POST /videos` alone, JSON only. It responds when the clip is done, with its URL or its bytes in the job: no other route
 * exists. Node's own `fetch` waits 300 s for a response's headers: longer jobs need `effect-videos/undici` or another client.
 */
const dynamo: Dialect = {
  ...selfHosted,
  name: "dynamo",
  paths: { ...withoutDerivation, retrieveVideo: null, listVideos: null, deleteVideo: null, downloadVideo: null },
  image: "url",
  submitTimeout: "30 minutes"
}

/**
 * The dialects of the servers that people run. `openai` is the protocol itself, and the default.
 *
 * @since 0.1.0
 * @category dialects
 */
export const dialects: { readonly [name in DialectName]: Dialect } = {
  openai,
  azure,
  litellm,
  xai,
  aiproxy,
  openrouter,
  llmgateway,
  "vllm-omni": vllmOmni,
  sglang,
  "new-api": newApi,
  dynamo
}

/**
 * The names of the dialects.
 *
 * @since 0.1.0
 * @category models
 */
export type DialectName =
  | "openai"
  | "azure"
  | "litellm"
  | "xai"
  | "aiproxy"
  | "openrouter"
  | "llmgateway"
  | "vllm-omni"
  | "sglang"
  | "new-api"
  | "dynamo"

/**
 * Whether a text names a dialect.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isDialectName = (name: string): name is DialectName => Object.hasOwn(dialects, name)
