/**
 * Decides from one read of the list whether a submission of an earlier process made a job. Pure. What is known of that time is the
 * baseline: the newest jobs that the list showed before the submission was sent. A job is new if the list has it above the
 * baseline; the clocks of the machines do not matter. Without a baseline, or if none of its jobs is on the list any more, the
 * times decide, as far as clocks may be trusted.
 */
import type { Submission } from "../protocol/submissionRequests.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import { criteriaOf, isSameRequest, likenessOn, mayBeFormOf } from "./matchJob.js"
import { margin, tolerance } from "./readNewestJobs.js"

/** What is known of the submission. */
export interface Baseline {
  /** Unix milliseconds. */
  readonly begunAt: number
  /** The newest jobs before it was sent, newest first; `null` if that is not known. */
  readonly ids: ReadonlySet<string> | null
}

/** The newest jobs of the server, newest first. */
export interface NewestJobs {
  readonly videos: ReadonlyArray<VideoResource>
  /** Why a job may be missing in it. */
  readonly gap: string | null
}

/**
 * What became of a submission. `Made`: this is its job. `NotMade`: it certainly made none, so that sending it again is safe.
 * `Unclear`: neither is certain (`detail`); `candidates` are the jobs that may be its own, the most likely first.
 *
 * @since 0.1.0
 * @category models
 */
export type SettledSubmission =
  | { readonly _tag: "Made"; readonly video: VideoResource }
  | { readonly _tag: "NotMade" }
  | { readonly _tag: "Unclear"; readonly candidates: ReadonlyArray<VideoResource>; readonly detail: string }

const createdAt = (video: VideoResource): number | null => video.createdAt?.epochMillis ?? null

/** The newest job of the baseline that is still on the list. */
export const newestOfBaseline = (
  videos: ReadonlyArray<VideoResource>,
  ids: ReadonlySet<string>
): VideoResource | undefined => videos.find(({ id }) => ids.has(id))

/** `since`: made after the submission began. `before`: certainly made earlier. `unclear`: the times do not show it. */
type Timing = "since" | "before" | "unclear"

const timingOf = (list: NewestJobs, { begunAt, ids }: Baseline): ((video: VideoResource) => Timing) => {
  const newest = ids === null ? undefined : newestOfBaseline(list.videos, ids)
  if (newest !== undefined) {
    const index = list.videos.indexOf(newest)
    const from = createdAt(newest)
    const above = new Set(list.videos.slice(0, index))
    return (video) => {
      if (ids?.has(video.id) === true) return "before"
      if (above.has(video)) return "since"
      // A list may sort jobs of the same second in any order.
      const created = createdAt(video)
      return from !== null && created !== null && created >= from - tolerance ? "unclear" : "before"
    }
  }
  if (ids?.size === 0) return () => "since"
  return (video) => {
    const created = createdAt(video)
    if (created === null) return "unclear"
    return created >= begunAt - tolerance ? "since" : created >= begunAt - margin ? "unclear" : "before"
  }
}

/**
 * `held`: the jobs that other submissions have. `open`: other submissions whose outcome is unknown: as many jobs as there are
 * equal submissions may be shared out among them, whichever was whose.
 *
 * @internal
 */
export const judgeByBaseline = (
  own: Submission,
  baseline: Baseline,
  list: NewestJobs,
  held: ReadonlySet<string>,
  open: ReadonlyArray<Submission>,
  isTrusted: boolean
): SettledSubmission => {
  const criteria = criteriaOf(own)
  const others = open.map((submission) => ({ submission, criteria: criteriaOf(submission) }))
  const likeness = likenessOn(list.videos)
  const timing = timingOf(list, baseline)
  const isLike = (video: VideoResource, of: typeof criteria) => likeness(of, video) === "same"
  const free = list.videos.filter((video) => timing(video) !== "before" && !held.has(video.id))
  const alike = free.filter((video) => video.id !== criteria.source && isLike(video, criteria))
  const matches = alike.filter((video) => timing(video) === "since")
  const isOfAnother = (video: VideoResource): boolean =>
    !mayBeFormOf(criteria, video) && others.some((other) => isLike(video, other.criteria))
  const possible = free.filter((video) => !alike.includes(video) && !isOfAnother(video))
  const unclear = (detail: string): SettledSubmission => ({
    _tag: "Unclear",
    candidates: [...matches, ...alike.filter((video) => !matches.includes(video)), ...possible],
    detail
  })
  // The list has the newest first.
  const oldest = matches.at(-1)
  if (oldest !== undefined) {
    const twins = others.filter(({ submission }) => isSameRequest(submission, own))
    if (matches.length > twins.length + 1) return unclear(`${matches.length} jobs on the list are like it`)
    if (alike.length > matches.length)
      return unclear("jobs on the list are like it, and their times do not tell which is its own")
    const isOpen = others.some((other) => !twins.includes(other) && matches.some((one) => isLike(one, other.criteria)))
    return isOpen
      ? unclear("a job on the list may be its own, or another submission's")
      : { _tag: "Made", video: oldest }
  }
  if (alike.length > 0) return unclear("a job on the list is like it, and its time leaves open if it is older")
  if (!isTrusted) return unclear("this server's list is not to be trusted (`listTrusted` of the dialect)")
  if (list.gap !== null) return unclear(list.gap)
  if (possible.length > 0) return unclear("jobs on the list may have been made since it began")
  return { _tag: "NotMade" }
}
