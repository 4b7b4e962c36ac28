import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/**
 * `POST /videos` alone, JSON only. It responds when the clip is done, with its URL or its bytes in the job: no other route
 * exists. Node's own `fetch` waits 300 s for a response's headers: longer jobs need `effect-videos/undici` or another client.
 */
export const dynamo: Dialect = {
  ...openai,
  name: "dynamo",
  home: null,
  paths: { ...withoutDerivation, retrieveVideo: null, listVideos: null, deleteVideo: null, downloadVideo: null },
  seconds: anyLength,
  image: "url",
  listTrusted: false,
  submitTimeout: "30 minutes"
}
