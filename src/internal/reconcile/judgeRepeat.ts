/**
 * Which job a server made for an `Idempotency-Key` that it has seen before, perhaps from an earlier process. The list shows
 * no keys, and the job is older than the call: only one that is the single job like the request is taken.
 */
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { Claims, Entry } from "./claims.js"
import { likenessOf } from "./matchJob.js"
import { type Look, tolerance } from "./readNewestJobs.js"
import type { Rules, Verdict } from "./verdict.js"

/** For how long a key is taken to be known: the list is read back so far, and an older job is not adopted. */
export const keyLifetime = 24 * 60 * 60_000

/** What is known of the rejection. */
export interface Repeat {
  /** Whether the server says that the key was used with another request. */
  readonly isOtherRequest: boolean
  /** Whether a job that was made when the key was rejected would be on the list by now. */
  readonly isSettled: boolean
}

/** @internal */
export const judgeRepeat = (entry: Entry, look: Look, claims: Claims, rules: Rules, repeat: Repeat): Verdict => {
  const { sought } = entry
  const own = look.videos.find(({ id }) => claims.isUnderKey(entry, id))
  if (own !== undefined && !repeat.isOtherRequest) return { _tag: "Made", video: own }
  const sourceSeconds = look.videos.find(({ id }) => id === sought.source)?.seconds ?? null
  const isRecent = ({ createdAt }: VideoResource): boolean => {
    const age = look.serverNow - (createdAt?.epochMillis ?? Number.NaN)
    return age <= keyLifetime && age >= -tolerance
  }
  const free = look.videos.filter(({ id }) => !claims.isHeld(id) && id !== sought.source)
  const like = (how: "same" | "maybe") => free.filter((video) => likenessOf(sought, video, sourceSeconds) === how)
  const alike = like("same")
  const unclear = (detail: string, isFinal = false): Verdict => ({
    _tag: "Unclear",
    candidates: [...alike, ...like("maybe").filter(isRecent)],
    detail: `the server has its \`Idempotency-Key\` already; ${detail}`,
    isFinal
  })
  const [only] = alike
  if (only === undefined) return unclear("the list shows no job that is like the request")
  if (alike.length > 1) return unclear(`${alike.length} jobs on the list are like the request`, true)
  if (repeat.isOtherRequest) return unclear("the server says that the key was used with another request", true)
  if (!isRecent(only)) return unclear("the one job that is like the request is not of the last 24 hours")
  if (!rules.isTrusted) return unclear("this server's list is not to be trusted (`listTrusted` of the preset)")
  if (look.gap !== null) return unclear(look.gap)
  if (claims.isNamed(only.id) || claims.rivals(entry).length > 0) {
    return unclear("a job on the list may be its own, or another submission's of this process")
  }
  return repeat.isSettled ? { _tag: "Made", video: only } : unclear("another job may not be on the list yet")
}
