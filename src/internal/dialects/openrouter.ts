import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/**
 * OpenRouter's `/api/v1`, as its documents and SDK 1.3.19 have it. An extension is a new job with `previous_job_id`; no model is
 * confirmed to take it, and the refusal is free. No list, no deletion.
 */
export const openrouter: Dialect = {
  ...openai,
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
  },
  listTrusted: false
}
