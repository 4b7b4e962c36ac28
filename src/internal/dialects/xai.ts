import type { Dialect } from "../protocol/dialect.js"
import { openai, withoutDerivation } from "./openai.js"

/**
 * xAI's own, which CLIProxyAPI, sub2api and new-api (`{host}/xai/v1`) serve too. Read in November 2026 in docs.x.ai, in
 * xai-proto and in recorded traffic. A job can be extended by the URL of its clip alone, and only with `grok-imagine-video`;
 * the result is the whole clip. It has no list: a submission whose response is lost cannot be found again.
 */
export const xai: Dialect = {
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
