/**
 * How the servers that people run depart from the protocol, as data: what each serves and takes, and how it answers. Read
 * in their sources and documents in November 2026; where those leave a thing open, the protocol's own way is kept.
 */
import { randomUUID } from "node:crypto"
import type { PresetName } from "effect-videos/Presets"
import type { BodyRule } from "./body.js"
import type { Job, JobIds, JobState } from "./Jobs.js"
import { type ListRule, type Page, protocolList } from "./list.js"
import { type Operation, operations } from "./operations.js"
import { type Leeway, type Refusal, refuse } from "./protocol.js"
import { randomId } from "./randomId.js"
import type { ReferenceRule } from "./reference.js"
import {
  type Body,
  detailError,
  faultStatus,
  litellmError,
  litellmVideo,
  newApiError,
  newApiVideo,
  protocolError,
  protocolVideo,
  type Refused,
  sglangError,
  sglangVideo,
  starlette,
  type View,
  vllmError,
  vllmVideo
} from "./shapes.js"

/** The presets of servers that this one can answer like: those with jobs. */
export type ServedPreset = Exclude<PresetName, "dynamo">

/** Another status and other words for a refusal of the protocol. */
export interface Restated {
  readonly status?: number
  readonly message?: (refusal: Refusal) => string
  readonly code?: string
  /** The operation that keeps the protocol's. */
  readonly except?: Operation
}

/** @internal */
export interface Accent {
  /** Where the paths start; the first is what the server says it is at. */
  readonly bases: readonly [string, ...ReadonlyArray<string>]
  readonly serves: ReadonlySet<Operation>
  /** A path that is served, with another method: 405 where the framework knows, 404 where the whole is looked up. */
  readonly otherMethod: 404 | 405
  readonly newIds: () => JobIds
  /** Where keys may be, besides `Authorization`. */
  readonly keyHeaders: ReadonlyArray<string>
  readonly bodies: (operation: Operation) => BodyRule
  readonly leeway: Leeway
  /** The HTTP status for a field of a form that cannot be read. */
  readonly formStatus: 400 | 422
  readonly reference: ReferenceRule
  readonly modelRequired: boolean
  readonly video: (job: Job, view: View) => Body
  /** The HTTP status of a look at a job. */
  readonly lookStatus: (job: Job, state: JobState) => number
  readonly list: ListRule
  readonly page: (data: ReadonlyArray<Body>, page: Page) => Body
  readonly deleted: (job: Job, view: View) => Body
  /** Whether a deletion cancels a job that has not ended, instead of being refused. */
  readonly cancels: boolean
  /** What `variant` means: a name of the protocol, the number of an output, or nothing. */
  readonly variant: "name" | "number" | "ignored"
  readonly ranges: boolean
  readonly contentHeaders: { readonly [name: string]: string }
  /** A refused download is sent as if it were the film: its JSON with status 200 and the film's type. */
  readonly disguisesErrors: boolean
  readonly restate: { readonly [code: string]: Restated }
  readonly refusal: (refusal: Refusal, refused: Refused) => Body
}

const sameId = (id: string): JobIds => ({ id, lookId: id })

const openai: Accent = {
  bases: ["/v1"],
  serves: new Set(operations),
  otherMethod: 404,
  newIds: () => sameId(`video_${randomId()}`),
  keyHeaders: [],
  bodies: () => "any",
  leeway: "protocol",
  formStatus: 400,
  reference: "protocol",
  modelRequired: false,
  video: protocolVideo,
  lookStatus: () => 200,
  list: protocolList,
  page: (data, { hasMore }) => ({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore
  }),
  deleted: ({ id }) => ({ id, object: "video.deleted", deleted: true }),
  cancels: false,
  variant: "name",
  ranges: true,
  contentHeaders: {},
  disguisesErrors: false,
  restate: {},
  refusal: protocolError
}

/** Standard base64 of bytes that come out with all three of its characters that a URL must escape. */
const base64Id = (part: ReadonlyArray<number>): string =>
  `video_${Buffer.from([0xfb, 0xff, 0xfe, ...part]).toString("base64")}`

const notCompleted = ({ phase }: Refusal): string => {
  const words: { readonly [phase: string]: string } = { queued: "QUEUED", failed: "FAILURE" }
  return `Task is not completed yet, current status: ${words[phase ?? ""] ?? "IN_PROGRESS"}`
}

/**
 * The servers that this one can answer like.
 *
 * - `openai`: the protocol itself. `azure`: the same below `/openai/v1`, with keys in `api-key` too.
 * - `litellm`: a proxy in front of an adapter that knows little: ids with `+`, `/` and `=` that differ between the
 *   submission and the looks, `processing`, mostly empty looks, no `DELETE`, an early download that is JSON called
 *   `video/mp4` with status 200, no ranges. Also below the bare origin.
 * - `vllm-omni`: forms only; create, list, retrieve, delete (which cancels) and content; a look at a failed job is an HTTP
 *   error with the whole job as its body.
 * - `sglang`: the same routes; never `in_progress`; no prompt; a list without cursors; `variant` is an output's number.
 * - `new-api`: create, retrieve, content and remix; `unknown` first; empty fields absent; `completed_at` while it runs;
 *   errors as `{ code, message, data }`, 400 for an unknown job.
 */
const accents: { readonly [preset in ServedPreset]: Accent } = {
  openai,
  azure: { ...openai, bases: ["/openai/v1"], keyHeaders: ["api-key"] },
  litellm: {
    ...openai,
    bases: ["/v1", ""],
    serves: new Set(operations.filter((operation) => operation !== "delete")),
    otherMethod: 405,
    newIds: () => {
      const part = [...globalThis.crypto.getRandomValues(new Uint8Array(16))]
      return { id: base64Id([...part, ...Buffer.from(";model:sora-2")]), lookId: base64Id(part) }
    },
    keyHeaders: ["x-litellm-api-key"],
    bodies: (operation) => (operation === "extend" ? "json" : "any"),
    video: litellmVideo,
    variant: "ignored",
    ranges: false,
    disguisesErrors: true,
    refusal: starlette(litellmError)
  },
  "vllm-omni": {
    ...openai,
    serves: new Set<Operation>(["create", "list", "retrieve", "delete", "content"]),
    otherMethod: 405,
    newIds: () => sameId(`video_gen_${randomId()}`),
    bodies: () => "form",
    leeway: "any",
    reference: "file",
    video: vllmVideo,
    lookStatus: (job, { phase }) => (phase === "failed" ? faultStatus(job) : 200),
    list: { ...protocolList, most: Infinity, unknownAfter: "empty" },
    cancels: true,
    variant: "ignored",
    restate: {
      video_not_ready: { message: () => "Generation is still in-progress" },
      video_failed: { status: 422 }
    },
    refusal: starlette(vllmError)
  },
  sglang: {
    ...openai,
    serves: new Set<Operation>(["create", "list", "retrieve", "delete", "content"]),
    otherMethod: 405,
    newIds: () => sameId(randomUUID()),
    bodies: () => "lenient",
    leeway: "any",
    formStatus: 422,
    reference: "text",
    video: sglangVideo,
    list: { ...protocolList, least: 1, usual: Infinity, status: 422 },
    page: (data) => ({ data, object: "list" }),
    deleted: sglangVideo,
    cancels: true,
    variant: "number",
    restate: {
      video_not_ready: { message: () => "Generation is still in-progress" },
      video_failed: { message: () => "Generation is still in-progress" }
    },
    refusal: starlette((refusal, refused) =>
      refusal.code === "invalid_api_key" ? detailError(refusal) : sglangError(refusal, refused)
    )
  },
  "new-api": {
    ...openai,
    serves: new Set<Operation>(["create", "retrieve", "content", "remix"]),
    newIds: () => sameId(`task_${randomId()}`),
    leeway: "any",
    modelRequired: true,
    video: newApiVideo,
    variant: "ignored",
    contentHeaders: { "cache-control": "public, max-age=86400" },
    restate: {
      video_not_ready: { status: 400, message: notCompleted },
      video_failed: { status: 400, message: notCompleted },
      video_not_found: { status: 400, code: "task_not_exist", except: "content" }
    },
    refusal: newApiError
  }
}

/** A refusal as the accent says it: its status, its words, its code. */
export const restated = (accent: Accent, refusal: Refusal, { form, operation }: Refused): Refusal => {
  const { code, headers, message, param, phase, status } = refusal
  const other = accent.restate[code ?? ""]
  if (other !== undefined && other.except !== operation) {
    const details = { code: other.code ?? code, param, phase, headers }
    return refuse(other.status ?? status, other.message?.(refusal) ?? message, details)
  }
  return form && operation === "create" && param !== undefined && status === 400
    ? refuse(accent.formStatus, message, { code, param, phase, headers })
    : refusal
}

/** @internal */
export const accentOf = (preset: ServedPreset = "openai"): Accent => accents[preset]
