/** Response bodies of each kind of server: a job as the server encodes it, and its error bodies. */
import { type Job, type JobState, stateOf } from "./Jobs.js"
import { DEFAULT_FPS } from "./media/Media.js"
import type { Operation } from "./operations.js"
import type { Refusal } from "./protocol.js"

/** Kind of request whose response describes a job. */
export type RequestKind = "submission" | "retrieve" | "list" | "deletion"

/** @internal */
export interface View {
  readonly now: number
  readonly requestKind: RequestKind
  /** Base URL of the server, up to and including `/v1`. */
  readonly baseUrl: string
}

export type Body = { readonly [name: string]: unknown }

const unix = (millis: number): number => Math.floor(millis / 1000)

const sizeOf = ({ recipe }: Job): string => `${recipe.width}x${recipe.height}`

// An uploaded file can have any length; rounding to milliseconds is finer than one frame.
const lengthOf = ({ recipe }: Job): number => Math.round(recipe.seconds * 1000) / 1000

const expiryOf = (job: Job, { phase }: JobState): number | null =>
  phase === "completed" && job.expiresAt !== null ? unix(job.expiresAt) : null

/** Encodes a job as the `VideoResource` of the protocol. */
export const protocolVideo = (job: Job, { now }: Pick<View, "now">): Body => {
  const state = stateOf(job, now)
  return {
    id: job.id,
    object: "video",
    model: job.model,
    status: state.phase,
    progress: state.progress,
    created_at: unix(job.createdAt),
    completed_at: state.phase === "completed" ? unix(job.endsAt) : null,
    expires_at: expiryOf(job, state),
    prompt: job.prompt,
    size: sizeOf(job),
    seconds: String(lengthOf(job)),
    remixed_from_video_id: job.remixedFrom,
    error: state.phase === "failed" ? job.fault : null
  }
}

/** Returns the code of a job's fault if it is an HTTP error status, else 500. */
export const faultStatus = ({ fault }: Job): number => {
  const code = Number(fault?.code)
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : 500
}

/** @internal */
export const vllmVideo = (job: Job, view: View): Body => {
  const state = stateOf(job, view.now)
  const done = state.phase === "completed"
  const took = (job.endsAt - job.startsAt) / 1000
  return {
    ...protocolVideo(job, view),
    progress: done ? 100 : 0,
    size: job.size,
    quality: "default",
    error: state.phase === "failed" ? { code: faultStatus(job), message: job.fault?.message ?? "" } : null,
    media_type: done ? "video/mp4" : null,
    file_name: done ? `${job.id}.mp4` : null,
    inference_time_s: done ? took : null,
    stage_durations: done ? { diffusion: took } : {},
    peak_memory_mb: done ? 0 : null,
    action: null,
    fps: done ? DEFAULT_FPS : null,
    num_frames: done ? Math.round(job.recipe.seconds * DEFAULT_FPS) : null,
    duration_s: done ? lengthOf(job) : null
  }
}

/** Encodes a job as SGLang does: without `in_progress`, without a prompt, and with a fault that has no code. */
export const sglangVideo = (job: Job, view: View): Body => {
  const state = stateOf(job, view.now)
  const done = state.phase === "completed"
  return {
    id: job.id,
    object: "video",
    model: job.model,
    status: view.requestKind === "deletion" ? "deleted" : state.phase === "in_progress" ? "queued" : state.phase,
    progress: done ? 100 : 0,
    created_at: unix(job.createdAt),
    completed_at: done ? unix(job.endsAt) : null,
    expires_at: expiryOf(job, state),
    size: job.size ?? "",
    seconds: String(Math.round(job.recipe.seconds)),
    quality: "standard",
    remixed_from_video_id: null,
    error: state.phase === "failed" ? { message: job.fault?.message ?? "" } : null,
    url: null,
    file_path: done ? `outputs/${job.id}.mp4` : null,
    peak_memory_mb: done ? 0 : null,
    inference_time_s: done ? (job.endsAt - job.startsAt) / 1000 : null
  }
}

/** Encodes a job as LiteLLM's poorest adapters do: `GET` returns little more than the status, and a different id. */
export const litellmVideo = (job: Job, view: View): Body => {
  const { phase } = stateOf(job, view.now)
  const submitted = view.requestKind === "submission"
  return {
    id: view.requestKind === "retrieve" ? job.retrieveId : job.id,
    object: "video",
    status: phase === "in_progress" ? "processing" : phase,
    created_at: submitted ? unix(job.createdAt) : 0,
    completed_at: null,
    expires_at: null,
    progress: null,
    seconds: submitted ? String(lengthOf(job)) : null,
    size: submitted ? sizeOf(job) : null,
    model: submitted ? job.model : null,
    remixed_from_video_id: job.remixedFrom,
    error: phase === "failed" ? job.fault : null,
    usage: submitted ? { duration_seconds: lengthOf(job) } : {}
  }
}

/** Encodes a job as new-api does: empty fields are absent, and `completed_at` is the last change, even of a running job. */
export const newApiVideo = (job: Job, view: View): Body => {
  const { now } = view
  const state = stateOf(job, now)
  // new-api maps its internal status NOT_START to `unknown`; a task has that status right after its submission.
  const isNotStarted = now < (job.createdAt + job.startsAt) / 2
  const url = `${view.baseUrl}/videos/${encodeURIComponent(job.id)}/content`
  return {
    id: job.id,
    task_id: job.id,
    object: "video",
    model: job.model,
    status: isNotStarted ? "unknown" : state.phase,
    progress: state.phase === "failed" ? 100 : state.progress,
    created_at: unix(job.createdAt),
    ...(state.phase === "queued" ? {} : { completed_at: unix(Math.min(now, job.endsAt)) }),
    ...(job.size === null ? {} : { size: job.size }),
    ...(state.phase === "completed" ? { seconds: String(lengthOf(job)), metadata: { url } } : {}),
    ...(job.remixedFrom === null ? {} : { remixed_from_video_id: job.remixedFrom }),
    ...(state.phase === "failed" ? { error: { message: job.fault?.message ?? "", code: job.fault?.code ?? "" } } : {})
  }
}

// -----------------------------------------------------------------------------
// error bodies
// -----------------------------------------------------------------------------

/** The request that the server refused. */
export interface Refused {
  /** `null` if the request matched no served operation. */
  readonly operation: Operation | null
  /** Whether the body was a form. */
  readonly form: boolean
}

const typeOf = (status: number): string => (status >= 500 ? "server_error" : "invalid_request_error")

/** Encodes an error as the protocol does. */
export const protocolError = ({ code, message, param, status }: Refusal): Body => ({
  error: { message, type: typeOf(status), param: param ?? null, code: code ?? null }
})

/** Encodes an error as FastAPI does by default. */
export const detailError = ({ message }: Refusal): Body => ({ detail: message })

/** Uses the router errors of Starlette for an unknown path or method, and `otherwise` for all other errors. */
export const withStarletteErrors =
  (otherwise: (refusal: Refusal, refused: Refused) => Body) =>
  (refusal: Refusal, refused: Refused): Body =>
    refusal.code === "unknown_url"
      ? { detail: "Not Found" }
      : refusal.code === "method_not_allowed"
        ? { detail: "Method Not Allowed" }
        : otherwise(refusal, refused)

const reasons: { readonly [status: number]: string } = {
  400: "Bad Request",
  404: "Not Found",
  409: "Conflict",
  416: "Range Not Satisfiable",
  422: "Unprocessable Entity",
  500: "Internal Server Error"
}

/** @internal */
export const vllmError = ({ code, message, status }: Refusal): Body =>
  code === "invalid_api_key"
    ? { error: "Unauthorized" }
    : { error: { message, type: reasons[status] ?? "Error", param: null, code: status } }

/** @internal */
export const sglangError = (refusal: Refusal, { form, operation }: Refused): Body => {
  const { code, message, param, status } = refusal
  if (status === 422) {
    const location = operation === "list" ? "query" : "body"
    return { detail: [{ loc: [location, param ?? ""], msg: message, type: code ?? "value_error" }] }
  }
  // SGLang wraps the errors of its JSON branch a second time.
  return operation === "create" && !form && status === 400
    ? { detail: `Invalid request body: 400: ${message}` }
    : { detail: message }
}

/** @internal */
export const litellmError = ({ message, param, status }: Refusal): Body => ({
  error: { message, type: typeOf(status), param: param ?? null, code: String(status) }
})

/** @internal */
export const newApiError = (refusal: Refusal, { operation }: Refused): Body => {
  const { code, message } = refusal
  if (code === "unknown_url" || code === "method_not_allowed") {
    return { error: { message, type: "invalid_request_error", param: "", code: "" } }
  }
  if (code === "invalid_api_key") return { error: { message, type: "new_api_error", code: "" } }
  return operation === "content"
    ? { error: { message, type: "invalid_request_error" } }
    : { code: code ?? "invalid_request", message, data: null }
}
