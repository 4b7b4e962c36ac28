import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai } from "./openai.js"

/**
 * A proxy: what works depends on the provider behind it, and an extension needs one that speaks the protocol. No DELETE route;
 * most providers raise NotImplementedError for the list; a file is accepted by `/edits` alone.
 */
export const litellm: Dialect = {
  ...openai,
  name: "litellm",
  home: null,
  paths: { ...openai.paths, deleteVideo: null },
  seconds: anyLength,
  source: { ...openai.source, file: "edit" },
  extension: "unknown",
  listTrusted: false
}
