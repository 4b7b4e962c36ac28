/** Which jobs a `Videos` has submitted, for watches of them that begin with nothing but an id. */

import type { Ends } from "../download/contentLag.js"
import type { VideosService } from "../videosTypes.js"

const submissions = new WeakMap<VideosService, Ends>()

/** A job that was submitted longer ago is known to all of a server, in milliseconds. */
const recentMillis = 60_000

/** @internal */
export const setSubmissions = (videos: VideosService, submitted: Ends): void => {
  submissions.set(videos, submitted)
}

/** Whether this `Videos` has submitted the job just now; no, for a canned one. */
export const wasSubmitted = (videos: VideosService, id: string, now: number): boolean =>
  (submissions.get(videos)?.within(id, recentMillis, now) ?? null) !== null
