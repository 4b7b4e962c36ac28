/**
 * What one read of the server's list says about a submission whose outcome is unknown. Pure, but for the claims that it reads.
 *
 * Two mistakes cost money. To send again although the job was made: only positive evidence that no job on the list can be the
 * submission's allows it. To adopt another caller's job: only a job that matches in everything is adopted.
 *
 * **One listed job.** The first row that holds decides.
 *
 * | evidence                                                                                                  | it is       |
 * | --------------------------------------------------------------------------------------------------------- | ----------- |
 * | another submission of this process has it                                                                   | another's   |
 * | this process knew it before the call began                                                                  | another's   |
 * | it ran for longer than the call is old, by its own two times                                                | another's   |
 * | `created_at` is before the call, by the times of jobs that this process knew before, less `margin`          | another's   |
 * | one of the first two rows, but the id comes again with a `created_at` since the call began                  | candidate   |
 * | same prompt, and all that both tell; `created_at` since the call began                                      | match       |
 * | same prompt, and all that both tell; `created_at` missing, to come, or before the call                      | candidate   |
 * | same prompt, and all that both tell, as another open submission here, and no normalised form of this prompt | another's   |
 * | `created_at` is before the call by more than any wrong clock or time zone explains                          | another's   |
 * | anything else: another prompt or none, another size, length or model; any other `created_at`                | candidate   |
 *
 * No prompt, size, length or model makes a job another's by being different. Servers cut, expand, escape, normalise, mask,
 * translate or drop some prompts and not others, so that a prompt that is listed as sent says nothing of the next. They
 * round, clamp, swap and default sizes and lengths, and have aliases for models. The price is an error that names a job of
 * another process, if one was made at the same time.
 *
 * **The list as a whole.** The first row that holds decides.
 *
 * | evidence                                                                                         | verdict                |
 * | ------------------------------------------------------------------------------------------------ | ---------------------- |
 * | more matches than calls that are the same; a match that may be another call's, or was named to one | `Unclear`, for good    |
 * | a match, and an equal job without a time; or a match made before the submission was last sent      | `Unclear`, for good    |
 * | a match                                                                                           | `Made`: it is adopted  |
 * | a candidate, on this read or an earlier one                                                       | `Unclear`              |
 * | `listTrusted: false`; not newest first, or no times; pages missing; a job of this process missing  | `Unclear`              |
 * | none of these, on two reads, the last of them after `listLag`                                     | `NotMade`: sent again  |
 */
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { likenessOf, mayBecome, normalPrompt } from "./matchJob.js"
import { type Look, margin, tolerance } from "./readNewestJobs.js"

/** @internal */
export type Verdict =
  | { readonly _tag: "Made"; readonly video: VideoResource }
  | { readonly _tag: "NotMade" }
  | {
      readonly _tag: "Unclear"
      readonly candidates: ReadonlyArray<VideoResource>
      readonly detail: string
      /** Whether another read could not tell more. */
      readonly isFinal: boolean
      /** The jobs whose absence is all that leaves it open: the list is complete if the server has them no more. */
      readonly missing?: ReadonlyArray<string>
    }

/**
 * `before`: certainly there before the submission began. By the clock: `since`; `older`, by a clock that may be wrong; `past`,
 * by more than a wrong clock explains. `unclear`: no time, or one to come.
 */
type Place = "before" | "since" | "older" | "past" | "unclear"

/** A job that took longer has times of two kinds: local time for UTC is an hour off at least. */
const longest = 60 * 60_000

/** The two times of one job may come from two hosts, whose clocks differ by less. */
const hostDrift = 30_000

/** Local time for UTC is up to 14 hours off; two days leave room for a wrong date. */
const wrongestZone = 48 * 60 * 60_000

/** Behind by more is a clock that was never set, as one that begins in 1970. */
const neverSet = 365 * 24 * 60 * 60_000

interface Placing {
  readonly placeOf: (video: VideoResource) => Place
  /** Whether it comes under an id that was another job's before. */
  readonly isAgain: (video: VideoResource) => boolean
}

const placing = (entry: Entry, { at, gap, isDated, serverNow, videos }: Look, claims: Claims): Placing => {
  const age = at - entry.begunAt
  const begun = serverNow - age
  const isSince = (created: number) => created >= begun - tolerance && created <= serverNow + tolerance
  const isAgain = (video: VideoResource) =>
    video.createdAt !== null && isSince(video.createdAt.epochMillis) && claims.isLater(video)
  // One server's times are compared with each other: its clock may be wrong, and the own one too. Out of order, they are of
  // several clocks.
  let begunAtLeast = -Infinity
  for (const video of videos) {
    if (video.createdAt === null || !claims.wasBefore(video.id, entry) || isAgain(video)) continue
    begunAtLeast = Math.max(begunAtLeast, video.createdAt.epochMillis + claims.knownFor(video.id, entry))
  }
  const placeOf = (video: VideoResource): Place => {
    const { completedAt, createdAt, id } = video
    if (claims.wasBefore(id, entry) && !isAgain(video)) return "before"
    if (createdAt === null) return "unclear"
    const created = createdAt.epochMillis
    const took = (completedAt?.epochMillis ?? created) - created
    if ((took > age + hostDrift && took < longest) || (gap === null && created < begunAtLeast - margin)) return "before"
    if (created > serverNow + tolerance) return "unclear"
    if (created >= begun - tolerance) return "since"
    return isDated && created < begun - wrongestZone && created > begun - neverSet ? "past" : "older"
  }
  return { placeOf, isAgain }
}

const sourceSeconds = ({ sought: { source } }: Entry, { videos }: Look): number | null =>
  source === null ? null : (videos.find(({ id }) => id === source)?.seconds ?? null)

/** Whether the job has the prompt, and all else that both tell. */
const isLike = (video: VideoResource, entry: Entry, look: Look): boolean =>
  likenessOf(entry.sought, video, sourceSeconds(entry, look)) === "same"

/** The jobs that a complete list has to show, and that this one does not: the source, and what was made here, newest first. */
const missingIn = (entry: Entry, look: Look, claims: Claims, lag: number): ReadonlyArray<string> => {
  const ids = new Set<string>(look.videos.map(({ id }) => id))
  const oldest = Math.min(...look.videos.map(({ createdAt }) => createdAt?.epochMillis ?? Infinity))
  const due = claims
    .due(look.at, lag, look.serverNow)
    .filter(([, createdAt]) => look.isWhole || (createdAt !== null && createdAt > oldest + tolerance))
    .map(([id]) => id)
    .reverse()
  const { source } = entry.sought
  const isSourceDue = look.isWhole && source !== null && !claims.isGone(source)
  return (isSourceDue ? [source, ...due] : due).filter((id) => !ids.has(id))
}

/** @internal */
export interface Rules {
  readonly isTrusted: boolean
  /** For how many milliseconds a job may be missing in the list. */
  readonly lag: number
  /** When the submission was last sent, by the own clock, if it was sent again. */
  readonly resentAt: number | null
}

/** @internal */
export const judge = (entry: Entry, look: Look, claims: Claims, rules: Rules): Verdict => {
  const placings = new Map<Entry, Placing>()
  const placingFor = (of: Entry): Placing => {
    const known = placings.get(of) ?? placing(of, look, claims)
    placings.set(of, known)
    return known
  }
  const { isAgain, placeOf } = placingFor(entry)
  const others = claims.others(entry)

  const free = look.videos.filter((video) => !claims.isHeld(video.id) && !isAgain(video))
  const alike = free.filter((video) => isLike(video, entry, look) && placeOf(video) !== "before")
  const since = alike.filter((video) => placeOf(video) === "since")
  /** Whether it is what another open submission asked for, and no form of this one's prompt. */
  const isOfAnother = (video: VideoResource): boolean => {
    const prompt = normalPrompt(video.prompt)
    if (prompt === null || entry.sought.prompt === null || mayBecome(entry.sought.prompt, prompt)) return false
    return others.some((other) => isLike(video, other, look) && placingFor(other).placeOf(video) !== "before")
  }
  /** Not alike, and yet, as servers are, perhaps the one. */
  const perhaps = look.videos.filter((video) => {
    const place = placeOf(video)
    if (place === "before" || alike.includes(video)) return false
    if (isAgain(video)) return true
    return !claims.isHeld(video.id) && place !== "past" && !isOfAnother(video)
  })
  const unclear = (detail: string, isFinal: boolean, missing?: ReadonlyArray<string>): Verdict => ({
    _tag: "Unclear",
    candidates: [...since, ...alike.filter((video) => !since.includes(video)), ...perhaps],
    detail,
    isFinal,
    ...(missing === undefined ? {} : { missing })
  })

  if (since.length > 0) {
    const rivals = claims.rivals(entry)
    const twins = rivals.filter((rival) => claims.isTwin(rival, entry))
    // Twins may share out as many jobs as they are, whichever was whose.
    const group = [entry, ...twins.filter(({ state }) => state !== "given up")]
    const ofGroup = free.filter(
      (video) => isLike(video, entry, look) && group.some((twin) => placingFor(twin).placeOf(video) === "since")
    )
    if (ofGroup.length > group.length) return unclear(`${ofGroup.length} jobs on the list are like it`, true)
    const isOpen =
      since.some(
        (video) =>
          claims.isNamed(video.id) || rivals.some((rival) => !twins.includes(rival) && isLike(video, rival, look))
      ) || twins.some(({ state }) => state === "given up")
    if (isOpen) return unclear("a job on the list may be its own, or another submission's of this process", true)
    if (alike.some((video) => placeOf(video) === "unclear")) {
      return unclear("jobs on the list are like it, and their times do not tell which is its own", true)
    }
    // Its own job, if it has one, is adopted first.
    if (rivals.some(({ sought }) => sought.prompt !== entry.sought.prompt)) {
      return unclear(
        "a job on the list may be its own, or of a longer prompt of this process that was truncated",
        false
      )
    }
    // The list has the newest first.
    const video = since.reduce((oldest, each) =>
      (each.createdAt?.epochMillis ?? 0) <= (oldest.createdAt?.epochMillis ?? 0) ? each : oldest
    )
    const { resentAt } = rules
    if (resentAt !== null && (video.createdAt?.epochMillis ?? 0) < look.serverNow - (look.at - resentAt) - tolerance) {
      return unclear("its job was on the list only after it was sent again, which may have made another", true)
    }
    return { _tag: "Made", video }
  }
  if (alike.length > 0)
    return unclear("a job on the list is like it, and its time does not tell whether it is older", false)
  if (!rules.isTrusted) return unclear("this server's list is not to be trusted (`listTrusted` of the preset)", false)
  if (look.gap !== null) return unclear(look.gap, false)
  if (perhaps.length > 0) {
    return unclear(
      perhaps.some(({ prompt }) => prompt === null)
        ? "the list shows no prompts of jobs that may have been made since it began"
        : "jobs on the list may have been made since it began, with a prompt or with parameters that the server has changed",
      false
    )
  }
  const missing = missingIn(entry, look, claims, rules.lag)
  return missing.length === 0
    ? { _tag: "NotMade" }
    : unclear(`the list leaves out jobs, ${missing[0]} among them`, false, missing)
}

/** Keeps what a read has shown, for later calls: which jobs are there, and which were there before this one. */
export const remember = (entry: Entry, look: Look, claims: Claims): void => {
  const { isAgain, placeOf } = placing(entry, look, claims)
  for (const [video, again, place] of look.videos.map((video) => [video, isAgain(video), placeOf(video)] as const)) {
    if (again) claims.sawAgain(video, look.at)
    else claims.saw(video, look.at, place === "before" ? entry : null)
  }
}
