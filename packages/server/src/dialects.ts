/**
 * How known servers depart from the protocol, as data: which operations each serves, which input it accepts, and how it
 * responds. Taken from their sources and documents in November 2026. If those leave a detail open, the dialect follows the
 * protocol.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type { DialectName } from "effect-videos/Dialects"
import { aiproxy, dynamo, llmgateway, openrouter } from "./gateways.js"
import { type Imitation, openai, sameId } from "./imitation.js"
import { protocolList } from "./list.js"
import { type Operation, operations } from "./operations.js"
import { type Fields, type Refusal, refuse } from "./protocol.js"
import { randomId } from "./randomId.js"
import {
  detailError,
  faultStatus,
  litellmError,
  litellmVideo,
  newApiError,
  newApiVideo,
  type Refused,
  sglangError,
  sglangVideo,
  vllmError,
  vllmVideo,
  withStarletteErrors
} from "./shapes.js"
import { xai } from "./xai.js"

/** Dialects that the embedded server can imitate. */

export type ServedDialect = DialectName

/** Makes an id that contains `+`, `/` and `=`: the first bytes force the base64 characters that a URL must escape. */
const base64Id = (part: ReadonlyArray<number>): string =>
  `video_${Buffer.from([0xfb, 0xff, 0xfe, ...part]).toString("base64")}`

/** vLLM-Omni's `video_reference`: `{"video_url": …}` as text, with which the clip begins. */
const videoReference = (fields: Fields): Effect.Effect<Fields, Refusal> => {
  const { video_reference: reference, ...others } = fields
  if (reference === undefined) return Effect.succeed(fields)
  return Effect.try({
    try: (): Fields => ({ ...others, video: { url: String(JSON.parse(String(reference)).video_url) } }),
    catch: () => refuse(400, "Invalid video_reference", { param: "video_reference" })
  })
}

const notCompleted = ({ phase }: Refusal): string => {
  const statusWords: { readonly [phase: string]: string } = { queued: "QUEUED", failed: "FAILURE" }
  return `Task is not completed yet, current status: ${statusWords[phase ?? ""] ?? "IN_PROGRESS"}`
}

/**
 * Dialects that the embedded server can imitate.
 *
 * - `openai`: the protocol itself. `azure`: the same below `/openai/v1`; `api-key` can carry the key.
 * - `litellm`: a proxy in front of a poor adapter. Ids contain `+`, `/` and `=`; `GET` returns a different id than the
 *   submission and mostly empty fields. Status `processing`; no `DELETE`; no ranges. An early download returns JSON with
 *   status 200 and `video/mp4`. Also served below the bare origin.
 * - `vllm-omni`: accepts forms only; a clip begins with its `video_reference`. Serves create, list, retrieve, delete (which cancels) and content. `GET` of a failed
 *   job returns an HTTP error whose body is the job.
 * - `sglang`: the same routes. Never `in_progress`; no prompt; a list without cursors; `variant` is the number of an output.
 * - `new-api`: create, retrieve, content and remix. The first status is `unknown`; empty fields are absent; a running job
 *   has `completed_at`. Errors are `{ code, message, data }`; an unknown job is 400.
 * - `xai`: clips at a URL on another host, which refuses a key; an extension takes a URL. A poll of a queued job is 202 without
 *   a body; progress stays at 1 until 80 %; a moderated job (`moderation_blocked`) is `done` without a URL; an unreadable source
 *   makes a job that fails; a wrong key is 400; a field of a wrong type is 422 as text.
 * - `aiproxy`: the protocol, `video` as text. `openrouter`: `previous_job_id` for models whose name ends in `-extend`.
 *   `llmgateway`: creates only. `dynamo`: one route, which responds when the clip is done.
 */
const dialects: { readonly [dialect in ServedDialect]: Imitation } = {
  openai,
  azure: { ...openai, bases: ["/openai/v1"], keyHeaders: ["api-key"] },
  xai,
  aiproxy,
  openrouter,
  llmgateway,
  dynamo,
  litellm: {
    ...openai,
    bases: ["/v1", ""],
    serves: new Set(operations.filter((operation) => operation !== "delete")),
    otherMethod: 405,
    newIds: () => {
      const part = [...globalThis.crypto.getRandomValues(new Uint8Array(16))]
      return { id: base64Id([...part, ...Buffer.from(";model:sora-2")]), retrieveId: base64Id(part) }
    },
    keyHeaders: ["x-litellm-api-key"],
    bodies: (operation) => (operation === "extend" ? "json" : "any"),
    video: litellmVideo,
    variant: "ignored",
    ranges: false,
    disguisesErrors: true,
    errorBody: withStarletteErrors(litellmError)
  },
  "vllm-omni": {
    ...openai,
    serves: new Set<Operation>(["create", "list", "retrieve", "delete", "content"]),
    otherMethod: 405,
    newIds: () => sameId(`video_gen_${randomId()}`),
    bodies: () => "form",
    limits: "any",
    reference: "file",
    fields: videoReference,
    countsSource: true,
    video: vllmVideo,
    retrieveStatus: (job, { phase }) => (phase === "failed" ? faultStatus(job) : 200),
    list: { ...protocolList, maxLimit: Infinity, unknownAfter: "empty" },
    cancels: true,
    variant: "ignored",
    errorOverrides: {
      video_not_ready: { message: () => "Generation is still in-progress" },
      video_failed: { status: 422 }
    },
    errorBody: withStarletteErrors(vllmError)
  },
  sglang: {
    ...openai,
    serves: new Set<Operation>(["create", "list", "retrieve", "delete", "content"]),
    otherMethod: 405,
    newIds: () => sameId(randomUUID()),
    bodies: () => "lenient",
    limits: "any",
    formStatus: 422,
    reference: "text",
    video: sglangVideo,
    list: { ...protocolList, minLimit: 1, defaultLimit: Infinity, status: 422 },
    page: (data) => ({ data, object: "list" }),
    deleted: sglangVideo,
    cancels: true,
    variant: "number",
    errorOverrides: {
      video_not_ready: { message: () => "Generation is still in-progress" },
      video_failed: { message: () => "Generation is still in-progress" }
    },
    errorBody: withStarletteErrors((refusal, refused) =>
      refusal.code === "invalid_api_key" ? detailError(refusal) : sglangError(refusal, refused)
    )
  },
  "new-api": {
    ...openai,
    serves: new Set<Operation>(["create", "retrieve", "content", "remix"]),
    newIds: () => sameId(`task_${randomId()}`),
    limits: "any",
    modelRequired: true,
    video: newApiVideo,
    variant: "ignored",
    contentHeaders: { "cache-control": "public, max-age=86400" },
    errorOverrides: {
      video_not_ready: { status: 400, message: notCompleted },
      video_failed: { status: 400, message: notCompleted },
      video_not_found: { status: 400, code: "task_not_exist", except: "content" }
    },
    errorBody: newApiError
  }
}

/** Gives an error the status, message and code of the dialect. */
export const translateError = (dialect: Imitation, refusal: Refusal, { form, operation }: Refused): Refusal => {
  const { code, headers, message, param, phase, status } = refusal
  const override = dialect.errorOverrides[code ?? ""]
  if (override !== undefined && override.except !== operation) {
    const details = { code: override.code ?? code, param, phase, headers }
    return refuse(override.status ?? status, override.message?.(refusal) ?? message, details)
  }
  return form && operation === "create" && param !== undefined && status === 400
    ? refuse(dialect.formStatus, message, { code, param, phase, headers })
    : refusal
}

/** @internal */
export const dialectOf = (dialect: ServedDialect = "openai"): Imitation => dialects[dialect]
