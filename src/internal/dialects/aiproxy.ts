import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai } from "./openai.js"

/**
 * labring/aiproxy at commit aebeb5ec: the protocol over Wan, Seedance and Veo, extensions included. `video` is a text, a job's id
 * or a URL; the protocol's `{ id }` is refused. No list, no characters.
 */
export const aiproxy: Dialect = {
  ...openai,
  name: "aiproxy",
  home: null,
  paths: { ...openai.paths, listVideos: null, createCharacter: null, retrieveCharacter: null },
  seconds: anyLength,
  image: "url",
  source: { job: "text", url: "text", fileId: null, file: true },
  extension: "unknown",
  listTrusted: false
}
