import type { Dialect } from "../protocol/dialect.js"
import { anyLength, openai, withoutDerivation } from "./openai.js"

/** No list, delete, edit, extension or characters under `/v1`. Its `/xai/v1` speaks the dialect `xai`, and extends. */
export const newApi: Dialect = {
  ...openai,
  name: "new-api",
  home: null,
  paths: { ...withoutDerivation, remixVideo: "/videos/{id}/remix", listVideos: null, deleteVideo: null },
  seconds: anyLength,
  image: "url",
  listTrusted: false
}
