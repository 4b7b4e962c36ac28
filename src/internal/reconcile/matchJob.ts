/** Compares jobs on a server's list with the request of a submission. Pure: it decides nothing. */

import * as wire from "../protocol/jsonReaders.js"
import { sameJson } from "../protocol/longText.js"
import type { Submission } from "../protocol/submissionRequests.js"
import type { VideoResource } from "../protocol/videoSchemas.js"

/** The fields by which a submission's job is found on a list. `null`: the request does not set the field. */
export interface JobCriteria {
  readonly prompt: string | null
  readonly model: string | null
  readonly size: string | null
  /** Of the clip; of an extension, what it adds to its source. */
  readonly seconds: number | null
  readonly isExtension: boolean
  readonly isRemix: boolean
  /** The job that it derives from. */
  readonly source: string | null
}

/** Servers trim prompts, forms write a line break as two characters, databases normalise. */
export const normalPrompt = (prompt: string | null): string | null => {
  const normal = prompt?.normalize("NFC").replace(/\s+/g, " ").trim() ?? ""
  return normal === "" ? null : normal
}

/** From the body as it is sent: a server's own parameters may have overridden a field. */
export const criteriaOf = ({ call }: Submission): JobCriteria => {
  const { body, operation, videoId } = call
  return {
    prompt: normalPrompt(wire.text(body.prompt)),
    model: wire.text(body.model),
    size: wire.text(body.size),
    seconds: wire.seconds(body.seconds),
    isExtension: operation === "extendVideo",
    isRemix: operation === "remixVideo",
    source: videoId ?? null
  }
}

/**
 * Whether two submissions ask for the very same, so that it does not matter which of two jobs is whose. Files are
 * the same only if they are one value: their bytes are not compared.
 */
export const isSameRequest = (a: Submission, b: Submission): boolean =>
  a.call.operation === b.call.operation &&
  a.call.request.url === b.call.request.url &&
  a.file?.file === b.file?.file &&
  sameJson(a.call.body, b.call.body)

/** `&eacute;` is an `e`; `&quot;` and the like are no letters. */
const fromEntity = (name: string): string => {
  const [, hex, decimal] = /^#(?:x([0-9a-f]+)|(\d+))$/i.exec(name) ?? []
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  if (code <= 0x10ffff) return String.fromCodePoint(code)
  return /^([a-z])(?:acute|grave|circ|uml|tilde|ring|cedil|slash|caron)$/i.exec(name)?.[1] ?? " "
}

const fromPercent = (bytes: string): string => {
  try {
    return decodeURIComponent(bytes)
  } catch {
    return " "
  }
}

/** Without the escapes of HTML, JSON and URLs. A cut may have left the beginning of one. */
const unescape = (prompt: string): string =>
  prompt
    .replace(/(?:%[0-9a-f]{2})+/gi, fromPercent)
    .replace(/%[0-9a-f]?$/i, "")
    .replace(/&(?:amp;)*(#?\w{1,8})(?:;|$)/gi, (_, name: string) => fromEntity(name))
    .replace(/\\(?:u([0-9a-f]{4})|u[0-9a-f]{0,3}$|[bfnrt])/gi, (_, hex: string | undefined) =>
      hex === undefined ? " " : String.fromCharCode(Number.parseInt(hex, 16))
    )

/** Letters and digits alone, in one case and without accents: escapes, ellipses, quotes and white space do not count. */
const fold = (prompt: string): string =>
  unescape(prompt)
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "")

/** Servers cut prompts at the length of a column or of a log line; none is known to cut at less. */
const shortestCut = 32

/**
 * Whether a server that cuts or normalises prompts may list the prompt `asked` as exactly `listed`. For two prompts of this
 * process only: a server may rewrite a prompt in any way, but hardly into the prompt of another caller.
 */
export const mayBecome = (asked: string, listed: string): boolean => {
  if (listed.length > 2 * asked.length && asked.length > 0) return false
  const [a, b] = [fold(asked), fold(listed)]
  return a === b || (b.length >= shortestCut && a.startsWith(b))
}

/** Whether a job's prompt may be what a server makes of the submission's, or says nothing of it. */
export const mayBeFormOf = ({ prompt }: JobCriteria, video: VideoResource): boolean => {
  const listed = normalPrompt(video.prompt)
  return listed === null || prompt === null || mayBecome(prompt, listed)
}

/** Servers put a provider before a model's name (LiteLLM: `openai/sora-2`), and a version or a date behind it. */
const isSameModel = (asked: string, listed: string): boolean => {
  const name = (model: string) => model.toLowerCase().replace(/^.*\//s, "")
  const [a, b] = [name(asked), name(listed)]
  // `sora-2-pro` is another model than `sora-2`.
  return b.startsWith(a) && /^([-_@:.]?\d.*)?$/s.test(b.slice(a.length))
}

const pixels = /^\s*(\d+)\s*[x*]\s*(\d+)\s*$/i

/** `720p` says too little to be compared with `1280x720`. */
const isSameSize = (asked: string, listed: string): boolean => {
  const [a, b] = [pixels.exec(asked), pixels.exec(listed)]
  return a === null || b === null || (a[1] === b[1] && a[2] === b[2])
}

/** Rounding changes a length by up to half a second. */
const isSameLength = ({ isExtension, seconds }: JobCriteria, listed: number, sourceSeconds: number | null): boolean => {
  // SGLang rounds a short clip down to nothing.
  if (seconds === null || listed === 0) return true
  if (!isExtension) return Math.abs(listed - seconds) <= 0.5
  return sourceSeconds === null ? listed >= seconds - 0.5 : Math.abs(listed - sourceSeconds - seconds) <= 0.5
}

/**
 * `same`: the prompt, and all else that both tell. `maybe`: the prompt, but something else differs, as where a server
 * rewrites it; or the job has no prompt. `other`: another prompt.
 */
export type Likeness = "same" | "maybe" | "other"

/** `sourceSeconds`: the length of an extension's source; `null` if unknown. A list has the length of the whole clip. */
export const likenessOf = (criteria: JobCriteria, video: VideoResource, sourceSeconds: number | null): Likeness => {
  const prompt = normalPrompt(video.prompt)
  if (prompt === null || criteria.prompt === null) return "maybe"
  if (prompt !== criteria.prompt) return "other"
  const { model, remixedFromVideoId, seconds, size } = video
  const isOfSource = remixedFromVideoId === null ? !criteria.isRemix : remixedFromVideoId === criteria.source
  return isOfSource &&
    (criteria.model === null || model === null || isSameModel(criteria.model, model)) &&
    (criteria.size === null || size === null || isSameSize(criteria.size, size)) &&
    (seconds === null || isSameLength(criteria, seconds, sourceSeconds))
    ? "same"
    : "maybe"
}

/** The same for jobs of one list, on which an extension's source may be. */
export const likenessOn =
  (videos: ReadonlyArray<VideoResource>) =>
  (criteria: JobCriteria, video: VideoResource): Likeness =>
    likenessOf(criteria, video, videos.find(({ id }) => id === criteria.source)?.seconds ?? null)
