/**
 * Which job a server made for an `Idempotency-Key` that it has seen before, perhaps from an earlier process. The list shows
 * no keys, and the job is older than the call: only one that is the single job like the request is taken.
 */
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { likenessOn } from "./matchJob.js"
import { type ListRead, tolerance } from "./readNewestJobs.js"
import type { Rules, Verdict } from "./verdict.js"

/** How long a server is assumed to know a key: the list is read back for this long, and an older job is not adopted. */
export const keyLifetime = 24 * 60 * 60_000

/** What is known of the rejection. */
export interface Repeat {
  /** Whether the server says that the key was used with another request. */
  readonly isOtherRequest: boolean
  /** Whether a job that was made when the key was rejected would be on the list by now. */
  readonly isSettled: boolean
}

export const judgeRepeat = (entry: Entry, list: ListRead, claims: Claims, rules: Rules, repeat: Repeat): Verdict => {
  const { criteria } = entry
  const own = list.videos.find(({ id }) => claims.isUnderKey(entry, id))
  if (own !== undefined && !repeat.isOtherRequest) return { _tag: "Made", video: own }
  const isRecent = ({ createdAt }: VideoResource): boolean => {
    const age = list.serverNow - (createdAt?.epochMillis ?? Number.NaN)
    return age <= keyLifetime && age >= -tolerance
  }
  const unclaimed = list.videos.filter(({ id }) => !claims.isHeld(id) && id !== criteria.source)
  const withLikeness = (how: "same" | "maybe") =>
    unclaimed.filter((video) => likenessOn(list.videos)(criteria, video) === how)
  const matches = withLikeness("same")
  const unclear = (detail: string, isFinal = false): Verdict => ({
    _tag: "Unclear",
    candidates: [...matches, ...withLikeness("maybe").filter(isRecent)],
    detail: `the server has its \`Idempotency-Key\` already; ${detail}`,
    isFinal
  })
  const [only] = matches
  if (only === undefined) return unclear("the list shows no job that is like the request")
  if (matches.length > 1) return unclear(`${matches.length} jobs on the list are like the request`, true)
  if (repeat.isOtherRequest) return unclear("the server says that the key was used with another request", true)
  if (!isRecent(only)) return unclear("the one job that is like the request is not of the last 24 hours")
  if (!rules.isTrusted) return unclear("this server's list is not to be trusted (`listTrusted` of the dialect)")
  if (list.gap !== null) return unclear(list.gap)
  if (claims.isCandidate(only.id) || claims.rivals(entry).length > 0) {
    return unclear("a job on the list may be its own, or another submission's of this process")
  }
  return repeat.isSettled ? { _tag: "Made", video: only } : unclear("another job may not be on the list yet")
}
