import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/** Forms only (FastAPI's `Form(...)`); `input_reference` is a file there, and an object is dropped without a word. */
export const vllmOmni: Dialect = {
  ...openai,
  name: "vllm-omni",
  home: null,
  paths: withoutDerivation,
  encoding: "form",
  seconds: anyLength,
  image: "image_reference",
  videoReference: "video_reference"
}
