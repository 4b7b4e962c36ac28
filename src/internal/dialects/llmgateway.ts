import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/** theopenco/llmgateway: creates, polls and downloads; extends nothing, and has no list. `seconds` is a number and required. */
export const llmgateway: Dialect = {
  ...openai,
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
  },
  listTrusted: false
}
