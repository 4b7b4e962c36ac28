import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/**
 * `input_reference` must be a text; the list has neither `has_more` nor cursors. With a cloud store, the content route responds
 * 400 with the clip's signed URL in `detail` (`get_video_content` in its video_api.py).
 */
export const sglang: Dialect = {
  ...openai,
  name: "sglang",
  home: null,
  paths: withoutDerivation,
  seconds: anyLength,
  image: "url",
  listTrusted: false,
  contentUrlPattern: /^Video has been uploaded to cloud storage\. Please use the cloud URL: (https?:\/\/\S+)$/
}
