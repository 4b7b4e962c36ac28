import type * as Duration from "effect/Duration"
import type { Operation } from "../errors/errors.js"

/**
 * How one kind of server wants to be spoken to. What it answers is decoded tolerantly whatever the preset is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerPreset {
  /** For messages. */
  readonly name: string
  /** How a body without a file is written: as JSON, or as a form (`multipart/form-data`). With a file it is a form. */
  readonly encoding: "json" | "form"
  /** The header that carries the key: `Authorization: Bearer …`, or `api-key: …`. */
  readonly authHeader: "authorization" | "api-key"
  /** What is served; anything else is an `OperationUnsupportedError` before a request goes out. */
  readonly operations: ReadonlyArray<Operation>
  /**
   * How a picture that is no file is named: `input_reference` with an object (`{ image_url }` or `{ file_id }`), the same
   * with the URL as a text, or `image_reference` with the object as JSON text.
   */
  readonly imageReference: "object" | "url" | "image_reference"
  /** Whether `GET /videos` has every job, newest first, so that a page can stand for single reads. */
  readonly listTrusted: boolean
  /**
   * For one try of a request that makes a job, unless the configuration has a `requestTimeout` or the call a `timeout`. For
   * servers that respond when the clip is done. Default: the configuration's `requestTimeout`.
   */
  readonly submitTimeout?: Duration.DurationInput | undefined
  /**
   * What the server's refusal of a clip says when the clip is elsewhere: its first group is the clip's URL. Default: no URL is
   * taken from a message.
   */
  readonly contentUrlPattern?: RegExp | undefined
}

/**
 * The names of the presets.
 *
 * @since 0.1.0
 * @category models
 */
export type PresetName = "openai" | "azure" | "litellm" | "vllm-omni" | "sglang" | "new-api" | "dynamo"

// Watching is reading.
const reads = ["retrieveVideo", "downloadVideo", "watchVideo", "awaitVideo"] as const

const protocol: ServerPreset = {
  name: "openai",
  encoding: "json",
  authHeader: "authorization",
  operations: [
    ...reads,
    "createVideo",
    "extendVideo",
    "editVideo",
    "remixVideo",
    "listVideos",
    "deleteVideo",
    "createCharacter",
    "retrieveCharacter"
  ],
  imageReference: "object",
  listTrusted: true
}

const withoutDerivation = [...reads, "createVideo", "listVideos", "deleteVideo"] as const

/**
 * The presets. `openai` is the protocol itself, and the default.
 *
 * @since 0.1.0
 * @category presets
 */
export const presets: { readonly [name in PresetName]: ServerPreset } = {
  openai: protocol,
  // The same protocol under `{resource}/openai/v1`, with Azure's own header.
  azure: { ...protocol, name: "azure", authHeader: "api-key" },
  // No DELETE route; most providers behind it raise NotImplementedError for the list.
  litellm: {
    ...protocol,
    name: "litellm",
    operations: protocol.operations.filter((operation) => operation !== "deleteVideo"),
    listTrusted: false
  },
  // Form only (FastAPI's `Form(...)`); `input_reference` is a file there, and an object is dropped without a word.
  "vllm-omni": {
    ...protocol,
    name: "vllm-omni",
    encoding: "form",
    operations: withoutDerivation,
    imageReference: "image_reference"
  },
  // `input_reference` must be a text; the list has neither `has_more` nor cursors. With a cloud store, the content route
  // responds 400 with the clip's signed URL in `detail` (`get_video_content` in its video_api.py).
  sglang: {
    ...protocol,
    name: "sglang",
    operations: withoutDerivation,
    imageReference: "url",
    listTrusted: false,
    contentUrlPattern: /^Video has been uploaded to cloud storage\. Please use the cloud URL: (https?:\/\/\S+)$/
  },
  // No list, delete, edit, extension or characters.
  "new-api": {
    ...protocol,
    name: "new-api",
    operations: [...reads, "createVideo", "remixVideo"],
    imageReference: "url",
    listTrusted: false
  },
  // `POST /videos` alone, JSON only. It responds when the clip is done, with its URL or its bytes in the job: no other route
  // exists. Node's own `fetch` waits 300 s for a response's headers: longer jobs need `effect-videos/undici` or another client.
  dynamo: {
    ...protocol,
    name: "dynamo",
    operations: ["createVideo"],
    imageReference: "url",
    listTrusted: false,
    submitTimeout: "30 minutes"
  }
}

/**
 * Whether a text names a preset.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPresetName = (name: string): name is PresetName => Object.hasOwn(presets, name)
