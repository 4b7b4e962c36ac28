/**
 * Decides from one read of the server's list whether a submission with an unknown outcome made a job. Pure, except that it reads
 * the claims.
 *
 * Two mistakes cost money. The first is to send again although the job was made: it is sent again only if certainly no job on the
 * list can be the submission's. The second is to adopt another caller's job: a job is adopted only if all of its fields match.
 *
 * **One listed job.** The first row that holds decides.
 *
 * | evidence                                                                                             | it is     |
 * | ---------------------------------------------------------------------------------------------------- | --------- |
 * | another submission of this process has it                                                            | another's |
 * | this process knew it before the call began                                                           | another's |
 * | its run time, `completed_at` less `created_at`, is longer than the call is old                       | another's |
 * | `created_at` is before the call, by the times of jobs that this process knew before, less `margin`   | another's |
 * | one of the first two rows, but its `created_at` is since the call began: the id was used again       | candidate |
 * | same prompt, and every field that both have; `created_at` since the call began                       | match     |
 * | same prompt, and every field that both have; `created_at` missing, in the future, or before the call | candidate |
 * | the same of another open submission of this process, and not a normalised form of this prompt        | another's |
 * | `created_at` is before the call by more than any wrong clock or time zone explains                   | another's |
 * | anything else: another prompt or none, another size, length or model; any other `created_at`         | candidate |
 *
 * A different prompt, size, length or model does not make a job another's. Servers cut, expand, escape, normalise, mask, translate
 * or drop some prompts and not others: if one is listed as it was sent, the next one may not be. They round, clamp, swap and
 * default sizes and lengths, and have aliases for models. The price is an error that names a job of another process, if one was
 * made at the same time.
 *
 * **The list as a whole.** The first row that holds decides.
 *
 * | evidence                                                                                          | verdict               |
 * | ------------------------------------------------------------------------------------------------- | --------------------- |
 * | more matches than identical calls; a match that may be another call's, or that an error has named | `Unclear`, final      |
 * | a match, and an equal job without a time; or a match made before the submission was last sent     | `Unclear`, final      |
 * | a match                                                                                           | `Made`: it is adopted |
 * | a candidate, on this read or an earlier one                                                       | `Unclear`             |
 * | `listTrusted: false`; not newest first, or no times; pages missing; a job of this process missing | `Unclear`             |
 * | none of these, on two reads, the last of them after `listLag`                                     | `NotMade`: sent again |
 */
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { isSameRequest, likenessOn, mayBeFormOf } from "./matchJob.js"
import { type ListRead, margin, tolerance } from "./readNewestJobs.js"

export type Verdict =
  | { readonly _tag: "Made"; readonly video: VideoResource }
  | { readonly _tag: "NotMade" }
  | {
      readonly _tag: "Unclear"
      readonly candidates: ReadonlyArray<VideoResource>
      readonly detail: string
      /** Whether another read cannot change the verdict. */
      readonly isFinal: boolean
      /** Set if only these missing jobs leave it open: the list is complete if the server no longer has them. */
      readonly missing?: ReadonlyArray<string>
    }

/**
 * `before`: the job certainly existed before the submission began. By its `created_at`: `since`; `older`, which a wrong clock may
 * explain; `past`, which no wrong clock explains. `unclear`: it has no time, or one in the future.
 */
type Timing = "before" | "since" | "older" | "past" | "unclear"

/** If the two times of a job differ by more, one of them may be local time, which differs from UTC by an hour at least. */
const longest = 60 * 60_000

/** The two times of a job may come from two hosts, whose clocks differ by less than this. */
const hostDrift = 30_000

/** Local time differs from UTC by up to 14 hours; two days include a wrong date. */
const wrongestZone = 48 * 60 * 60_000

/** A clock that is behind by more was never set: it may begin in 1970. */
const neverSet = 365 * 24 * 60 * 60_000

interface Timings {
  readonly timingOf: (video: VideoResource) => Timing
  /** Whether the job has the id of an earlier job. */
  readonly isAgain: (video: VideoResource) => boolean
}

const timingsOf = (entry: Entry, { at, gap, isDated, serverNow, videos }: ListRead, claims: Claims): Timings => {
  const age = at - entry.begunAt
  const begun = serverNow - age
  const isSince = (created: number) => created >= begun - tolerance && created <= serverNow + tolerance
  const isAgain = (video: VideoResource) =>
    video.createdAt !== null && isSince(video.createdAt.epochMillis) && claims.isLater(video)
  // The server's times are compared with each other, because its clock and this machine's may both be wrong. Times that are out
  // of order come from several clocks.
  let begunAtLeast = -Infinity
  for (const video of videos) {
    if (video.createdAt === null || !claims.existedBefore(video.id, entry) || isAgain(video)) continue
    begunAtLeast = Math.max(begunAtLeast, video.createdAt.epochMillis + claims.knownFor(video.id, entry))
  }
  const timingOf = (video: VideoResource): Timing => {
    const { completedAt, createdAt, id } = video
    if (claims.existedBefore(id, entry) && !isAgain(video)) return "before"
    if (createdAt === null) return "unclear"
    const created = createdAt.epochMillis
    const took = (completedAt?.epochMillis ?? created) - created
    if ((took > age + hostDrift && took < longest) || (gap === null && created < begunAtLeast - margin)) return "before"
    if (created > serverNow + tolerance) return "unclear"
    if (created >= begun - tolerance) return "since"
    return isDated && created < begun - wrongestZone && created > begun - neverSet ? "past" : "older"
  }
  return { timingOf, isAgain }
}

/** Whether the prompt, and every other field that both have, are the same. */
const isMatch = (video: VideoResource, entry: Entry, list: ListRead): boolean =>
  likenessOn(list.videos)(entry.criteria, video) === "same"

/** The jobs that a complete list has to show, and this one does not: the source, and jobs of this process, newest first. */
const missingIn = (entry: Entry, list: ListRead, claims: Claims, lag: number): ReadonlyArray<string> => {
  const ids = new Set<string>(list.videos.map(({ id }) => id))
  const oldest = Math.min(...list.videos.map(({ createdAt }) => createdAt?.epochMillis ?? Infinity))
  const due = claims
    .due(list.at, lag, list.serverNow)
    .filter(([, createdAt]) => list.isWhole || (createdAt !== null && createdAt > oldest + tolerance))
    .map(([id]) => id)
    .reverse()
  const { source } = entry.criteria
  const isSourceDue = list.isWhole && source !== null && !claims.isGone(source)
  return (isSourceDue ? [source, ...due] : due).filter((id) => !ids.has(id))
}

export interface Rules {
  readonly isTrusted: boolean
  /** For how many milliseconds a job may be missing in the list. */
  readonly lag: number
  /** When the submission was last sent, in monotonic milliseconds; `null` if it was sent once. */
  readonly resentAt: number | null
}

export const judge = (entry: Entry, list: ListRead, claims: Claims, rules: Rules): Verdict => {
  const timings = new Map<Entry, Timings>()
  const timingsFor = (of: Entry): Timings => {
    const known = timings.get(of) ?? timingsOf(of, list, claims)
    timings.set(of, known)
    return known
  }
  const { isAgain, timingOf } = timingsFor(entry)
  const others = claims.others(entry)

  const unclaimed = list.videos.filter((video) => !claims.isHeld(video.id) && !isAgain(video))
  const matches = unclaimed.filter((video) => isMatch(video, entry, list) && timingOf(video) !== "before")
  const newMatches = matches.filter((video) => timingOf(video) === "since")
  /** Whether the job matches another open submission, and its prompt cannot be a normalised form of this one's. */
  const isOfAnotherRequest = (video: VideoResource): boolean =>
    !mayBeFormOf(entry.criteria, video) &&
    others.some((other) => isMatch(video, other, list) && timingsFor(other).timingOf(video) !== "before")
  /** Jobs that do not match, but may be the submission's: servers change prompts and parameters. */
  const possible = list.videos.filter((video) => {
    const timing = timingOf(video)
    if (timing === "before" || matches.includes(video)) return false
    if (isAgain(video)) return true
    return !claims.isHeld(video.id) && timing !== "past" && !isOfAnotherRequest(video)
  })
  const unclear = (detail: string, isFinal: boolean, missing?: ReadonlyArray<string>): Verdict => ({
    _tag: "Unclear",
    candidates: [...newMatches, ...matches.filter((video) => !newMatches.includes(video)), ...possible],
    detail,
    isFinal,
    ...(missing === undefined ? {} : { missing })
  })

  if (newMatches.length > 0) {
    const rivals = claims.rivals(entry)
    const twins = rivals.filter((rival) => isSameRequest(rival.submission, entry.submission))
    // Each of the identical submissions may take any of their jobs, unless there are more jobs than submissions.
    const group = [entry, ...twins.filter(({ state }) => state !== "given up")]
    const ofGroup = unclaimed.filter(
      (video) => isMatch(video, entry, list) && group.some((twin) => timingsFor(twin).timingOf(video) === "since")
    )
    if (ofGroup.length > group.length) return unclear(`${ofGroup.length} jobs on the list are like it`, true)
    const isOpen =
      newMatches.some(
        (video) =>
          claims.isCandidate(video.id) || rivals.some((rival) => !twins.includes(rival) && isMatch(video, rival, list))
      ) || twins.some(({ state }) => state === "given up")
    if (isOpen) return unclear("a job on the list may be its own, or another submission's of this process", true)
    if (matches.some((video) => timingOf(video) === "unclear")) {
      return unclear("jobs on the list are like it, and their times do not tell which is its own", true)
    }
    // The other submission adopts its own job first, if it has one.
    if (rivals.some(({ criteria }) => criteria.prompt !== entry.criteria.prompt)) {
      return unclear(
        "a job on the list may be its own, or of a longer prompt of this process that was truncated",
        false
      )
    }
    // The list has the newest first.
    const video = newMatches.reduce((oldest, each) =>
      (each.createdAt?.epochMillis ?? 0) <= (oldest.createdAt?.epochMillis ?? 0) ? each : oldest
    )
    const { resentAt } = rules
    if (resentAt !== null && (video.createdAt?.epochMillis ?? 0) < list.serverNow - (list.at - resentAt) - tolerance) {
      return unclear("its job was on the list only after it was sent again, which may have made another", true)
    }
    return { _tag: "Made", video }
  }
  if (matches.length > 0) return unclear("a job on the list is like it, and its time leaves open if it is older", false)
  if (!rules.isTrusted) return unclear("this server's list is not to be trusted (`listTrusted` of the dialect)", false)
  if (list.gap !== null) return unclear(list.gap, false)
  if (possible.length > 0) {
    return unclear(
      possible.some(({ prompt }) => prompt === null)
        ? "the list shows no prompts of jobs that may have been made since it began"
        : "jobs on the list may have been made since it began, with a prompt or with parameters that the server has changed",
      false
    )
  }
  const missing = missingIn(entry, list, claims, rules.lag)
  return missing.length === 0
    ? { _tag: "NotMade" }
    : unclear(`the list leaves out jobs, ${missing[0]} among them`, false, missing)
}

/** Records the jobs of a read for later calls: which jobs exist, and which existed before this submission. */
export const remember = (entry: Entry, list: ListRead, claims: Claims): void => {
  const { isAgain, timingOf } = timingsOf(entry, list, claims)
  for (const [video, again, timing] of list.videos.map((video) => [video, isAgain(video), timingOf(video)] as const)) {
    if (again) claims.recordReused(video, list.at)
    else claims.recordSeen(video, list.at, timing === "before" ? entry : null)
  }
}
