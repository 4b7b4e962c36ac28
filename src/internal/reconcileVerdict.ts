/**
 * What one look at the server's list says about a submission whose outcome is unknown. Pure, but for the claims that it reads.
 *
 * Two mistakes cost money, and are guarded against differently. To send again although the job was made: a job that may be
 * the one in any way forbids it, and so does anything that a list leaves open. To take somebody else's job: only one that
 * is like the request in all that both tell, and was made since it began, is taken.
 */
import type { VideoResource } from "../Schema.js"
import type { Claims, Entry } from "./reconcileClaims.js"
import { type Look, tolerance } from "./reconcileLook.js"
import { type Likeness, likenessOf, normalPrompt, promptMark } from "./reconcileMatch.js"

/** @internal */
export type Verdict =
  | { readonly _tag: "Made"; readonly video: VideoResource }
  | { readonly _tag: "NotMade" }
  | {
      readonly _tag: "Unclear"
      readonly candidates: ReadonlyArray<VideoResource>
      readonly detail: string
      /** Whether another look could not tell more. */
      readonly isFinal: boolean
    }

/** `before`: certainly there before the submission began. `since`, `older`: by the clock. `unclear`: no time, or one to come. */
type Place = "before" | "since" | "older" | "unclear"

/** A job that took longer has times of two kinds: local time for UTC is an hour off at least. */
const longest = 60 * 60_000

const placesFor = (
  entry: Entry,
  { at, serverNow, videos }: Look,
  claims: Claims
): ((video: VideoResource) => Place) => {
  const age = at - entry.begunAt
  let newestBefore = -Infinity
  for (const { createdAt, id } of videos) {
    if (createdAt !== null && claims.wasBefore(id, entry)) newestBefore = Math.max(newestBefore, createdAt.epochMillis)
  }
  return ({ completedAt, createdAt, id }) => {
    if (claims.wasBefore(id, entry)) return "before"
    if (createdAt === null) return "unclear"
    const created = createdAt.epochMillis
    // One server's times are compared with each other: its clock may be wrong, and the own one too.
    if (created < newestBefore - tolerance) return "before"
    if (created > serverNow + tolerance) return "unclear"
    if (created >= serverNow - age - tolerance) return "since"
    const took = (completedAt?.epochMillis ?? created) - created
    return took > age + tolerance && took < longest ? "before" : "older"
  }
}

/** Whether the list shows prompts as they were sent, as far as jobs that this process holds are on it. */
const echoOf = ({ videos }: Look, claims: Claims): "verbatim" | "rewritten" | "unproven" => {
  let echo: "verbatim" | "unproven" = "unproven"
  for (const { id, prompt } of videos) {
    const mark = claims.markOf(id)
    if (mark === null || prompt === null) continue
    if (mark !== promptMark(normalPrompt(prompt))) return "rewritten"
    echo = "verbatim"
  }
  return echo
}

const sourceSeconds = ({ sought: { source } }: Entry, { videos }: Look): number | null =>
  source === null ? null : (videos.find(({ id }) => id === source)?.seconds ?? null)

/** Why that a job is not on the list does not mean that it was not made. */
const gapOf = (entry: Entry, look: Look, claims: Claims, rules: Rules): string | null => {
  if (!rules.isTrusted) return "this server's list is not to be trusted (`listTrusted` of the preset)"
  if (look.gap !== null) return look.gap
  if (look.videos.some(({ prompt }) => prompt === null)) return "the list shows no prompts"
  if (look.isWhole) {
    const ids = new Set<string>(look.videos.map(({ id }) => id))
    const due = claims.heldBefore(look.at - rules.lag)
    const { source } = entry.sought
    const missing = (source === null ? due : [...due, source]).find((id) => !ids.has(id))
    if (missing !== undefined) return `the list leaves out jobs, ${missing} among them`
  }
  return null
}

/** @internal */
export interface Rules {
  readonly isTrusted: boolean
  /** For how many milliseconds a job may be missing in the list. */
  readonly lag: number
}

/** @internal */
export const judge = (entry: Entry, look: Look, claims: Claims, rules: Rules): Verdict => {
  const placeFor = new Map<Entry, (video: VideoResource) => Place>()
  const placeOf = (video: VideoResource, of: Entry): Place => {
    const place = placeFor.get(of) ?? placesFor(of, look, claims)
    placeFor.set(of, place)
    return place(video)
  }
  const likeness = (video: VideoResource, of: Entry): Likeness => likenessOf(of.sought, video, sourceSeconds(of, look))

  const echo = echoOf(look, claims)
  const free = look.videos.filter(({ id }) => !claims.isHeld(id))
  const alike = free.filter((video) => likeness(video, entry) === "same" && placeOf(video, entry) !== "before")
  const since = alike.filter((video) => placeOf(video, entry) === "since")
  /** Not alike, and yet, as servers are, perhaps the one: it does not tell, or was rewritten. */
  const perhaps = free.filter((video) => {
    const place = placeOf(video, entry)
    if (place === "before" || place === "older") return false
    const how = likeness(video, entry)
    if (how !== "other") return how === "maybe"
    const prompt = normalPrompt(video.prompt)
    return echo === "rewritten" || (echo === "unproven" && !(prompt !== null && claims.isAskedFor(prompt, entry)))
  })
  const unclear = (detail: string, isFinal: boolean): Verdict => ({
    _tag: "Unclear",
    candidates: [...since, ...alike.filter((video) => !since.includes(video)), ...perhaps],
    detail,
    isFinal
  })

  if (since.length > 0) {
    const rivals = claims.rivals(entry)
    const twins = rivals.filter((rival) => claims.isTwin(rival, entry))
    // Twins may share out as many jobs as they are, whichever was whose.
    const group = [entry, ...twins.filter(({ state }) => state !== "given up")]
    const ofGroup = free.filter(
      (video) => likeness(video, entry) === "same" && group.some((twin) => placeOf(video, twin) === "since")
    )
    if (ofGroup.length > group.length) return unclear(`${ofGroup.length} jobs on the list are like it`, true)
    const isOpen =
      since.some(
        (video) =>
          claims.isNamed(video.id) ||
          rivals.some((rival) => !twins.includes(rival) && likeness(video, rival) === "same")
      ) || twins.some(({ state }) => state === "given up")
    if (isOpen) return unclear("a job on the list may be its own, or another submission's of this process", true)
    if (alike.some((video) => placeOf(video, entry) === "unclear")) {
      return unclear("jobs on the list are like it, and their times do not tell which is its own", true)
    }
    // The list has the newest first.
    const video = since.reduce((oldest, each) =>
      (each.createdAt?.epochMillis ?? 0) <= (oldest.createdAt?.epochMillis ?? 0) ? each : oldest
    )
    return { _tag: "Made", video }
  }
  const gap = gapOf(entry, look, claims, rules)
  if (alike.length > 0)
    return unclear("a job on the list is like it, and its time does not tell whether it is older", false)
  if (gap !== null) return unclear(gap, false)
  if (perhaps.length === 0) return { _tag: "NotMade" }
  return unclear("jobs were made since it began that nobody here has asked for, with other fields", false)
}
