/** From a job in a dialect's words to the same job in the protocol's own, which `videoDecoder` reads. */
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type { Dialect, ResponseRule } from "./dialect.js"
import * as wire from "./jsonReaders.js"
import { phaseOfStatus, type VideoPhase } from "./phase.js"
import type { VideoResource } from "./videoTypes.js"

/** The value at a path such as `video.duration`. */
export const valueAt = (body: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>(
      (inner, name) => (wire.isObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined),
      body
    )

/** The protocol's word for each phase. */
const words: { readonly [phase in VideoPhase]: string } = {
  waiting: "pending",
  running: "in_progress",
  succeeded: "completed",
  failed: "failed"
}

const phaseIn = (word: string | null, body: wire.JsonObject, rule: ResponseRule, hasUrl: boolean): VideoPhase => {
  // @ai-sdk/xai takes a URL without a status for the end of the job.
  if (word === null) return hasUrl ? "succeeded" : "waiting"
  const phase = (Object.hasOwn(rule.statuses ?? {}, word) ? rule.statuses?.[word] : undefined) ?? phaseOfStatus(word)
  const isUnderWay = rule.progressMeansRunning === true && (wire.percent(body.progress) ?? 0) > 0
  return phase === "waiting" && isUnderWay ? "running" : phase
}

const costIn = (body: wire.JsonObject, { cost }: ResponseRule) => {
  const amount = cost === undefined ? null : wire.number(valueAt(body, cost.field))
  return cost === undefined || amount === null ? null : { amount: amount / cost.unit, currency: cost.currency }
}

/** Why the job failed, or `null`; a job that moderation refused has succeeded by its status. */
const failureIn = (
  body: wire.JsonObject,
  { moderation, url }: ResponseRule,
  { hasUrl, phase, word }: { readonly hasUrl: boolean; readonly phase: VideoPhase; readonly word: string | null }
) => {
  const error = wire.fault(body.error)
  if (phase === "failed") {
    const isModerated = moderation?.message.test(error?.message ?? "") === true
    const code = isModerated
      ? "moderation_blocked"
      : (error?.code ?? (error === null && word !== "failed" ? word : null))
    return { code, message: error?.message ?? "", isModerated }
  }
  if (phase !== "succeeded" || moderation === undefined) return null
  const isRefused = valueAt(body, moderation.field) === false
  if (!isRefused && (hasUrl || url === undefined)) return null
  const message = isRefused ? "moderation refused the clip" : "the job is done and has no clip: moderation refused it"
  return { code: "moderation_blocked", message, isModerated: true }
}

/** The same body, if the dialect has no rules of its own. Only the response to a submission may do without a status. */
export const toProtocol = (
  body: wire.JsonObject,
  { response: rule }: Dialect,
  isSubmission = false
): wire.JsonObject => {
  if (rule === undefined) return body
  const ids = rule.id?.map((path) => wire.id(valueAt(body, path))) ?? []
  const id = ids.find(Predicate.isNotNull) ?? wire.jobId(body)
  const status = wire.text(body.status)
  const hasUrl = rule.url !== undefined && wire.text(valueAt(body, rule.url)) !== null
  const read = phaseIn(status, body, rule, hasUrl)
  const failure = failureIn(body, rule, { hasUrl, phase: read, word: status })
  const phase = failure === null ? read : "failed"
  const cost = costIn(body, rule)
  const seconds = phase === "failed" || rule.seconds === undefined ? body.seconds : valueAt(body, rule.seconds)
  const isModerated = failure?.isModerated === true
  // A failed job without a cost: nothing says whether it is billed, unless the server bills refusals alone.
  const billed =
    cost !== null ? cost.amount > 0 || isModerated : rule.moderation && isModerated && rule.moderation.isBilled
  return Record.filter(
    {
      ...body,
      id: id ?? body.id,
      request_id: undefined,
      status:
        status === null && !hasUrl && !isSubmission
          ? undefined
          : status !== null && phaseOfStatus(status) === phase
            ? status
            : words[phase],
      seconds: wire.number(seconds) === 0 ? undefined : seconds,
      created_at: body.created_at ?? rule.createdAtInId?.exec(id ?? "")?.[1],
      cost: cost ?? undefined,
      error:
        failure === null
          ? undefined
          : { code: failure.code, message: failure.message, ...(billed === undefined ? {} : { billed }) }
    },
    Predicate.isNotUndefined
  )
}

/** The fields of a request that the job's responses leave out. The length of a request is that of a clip made anew alone. */
export const fillFrom = (
  video: VideoResource,
  known: Partial<VideoResource> | null,
  { response }: Dialect
): VideoResource => {
  if (known === null || response?.fromRequest === undefined) return video
  const missing = response.fromRequest.filter((name) => video[name] === null && (known[name] ?? null) !== null)
  return missing.length === 0 ? video : { ...video, ...Object.fromEntries(missing.map((name) => [name, known[name]])) }
}
