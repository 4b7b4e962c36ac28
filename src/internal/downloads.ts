/** What the downloads of a `Videos` go by, for whoever downloads by its `content`. */
import type { DownloadPolicy } from "../Http.js"
import type { VideosService } from "../Videos.js"

const policies = new WeakMap<VideosService, DownloadPolicy>()

/** @internal */
export const setDownloadPolicy = (videos: VideosService, policy: DownloadPolicy): void => {
  policies.set(videos, policy)
}

/** `null` for a canned `Videos`, or one that a program has put around another. */
export const downloadPolicyOf = (videos: VideosService): DownloadPolicy | null => policies.get(videos) ?? null
