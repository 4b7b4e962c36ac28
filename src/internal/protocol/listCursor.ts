/**
 * Where the next page of a list begins. Servers differ: LiteLLM filters pages per caller, so that a page may be empty and
 * still have a `last_id`; TeleFuser sends `has_more: true` with its last page; SGLang ignores `after`.
 */
import type { VideoPage, VideoResource } from "./videoSchemas.js"

/** A page and the cursor that the server sends with it. */
export interface ListPage extends VideoPage {
  /** The page's `last_id`; `null` if the server sends none. It may name a job that the page does not show. */
  readonly lastId: string | null
}

/** `Stuck` if the server says that there is more, and gives no cursor that leads further. */
export type Next =
  | { readonly _tag: "End" }
  | { readonly _tag: "After"; readonly cursor: string }
  | { readonly _tag: "Stuck"; readonly detail: string }

/** How many pages in a row may have no new job: a limit for servers whose cursors never end. */
const maxPagesWithoutJobs = 500

const end: Next = { _tag: "End" }

/** One pass through a list: which jobs and cursors it has had. No cursor is used twice, so that every pass ends. */
export class ListCursor {
  private readonly seen = new Set<string>()
  private readonly sent = new Set<string>()
  private pagesWithoutJobs = 0

  constructor(after: string | undefined = undefined) {
    if (after !== undefined) this.sent.add(after)
  }

  /** Whether an earlier page has shown the job. */
  hasSeen(id: string): boolean {
    return this.seen.has(id)
  }

  /** The jobs of a page that no page has shown before, and where the next page begins. */
  take({ hasMore, lastId, videos }: ListPage): { readonly fresh: ReadonlyArray<VideoResource>; readonly next: Next } {
    const isUnused = (id: string | null | undefined) =>
      typeof id === "string" && !this.seen.has(id) && !this.sent.has(id)
    const unused = [lastId, videos.at(-1)?.id].find(isUnused)
    // One page may show a job twice.
    const fresh = videos.filter(({ id }) => !this.seen.has(id) && this.seen.add(id))
    this.pagesWithoutJobs = fresh.length > 0 ? 0 : this.pagesWithoutJobs + 1
    const cursor = unused ?? fresh.filter(({ id }) => !this.sent.has(id)).at(-1)?.id ?? null
    // A server that does not say whether there is more has ended with the first page that has nothing new.
    const isEnd = hasMore === false || (hasMore === null && (fresh.length === 0 || cursor === null))
    const next = isEnd ? end : cursor === null ? this.stuck(videos.length === 0) : this.after(cursor)
    return { fresh, next }
  }

  private after(cursor: string): Next {
    if (this.pagesWithoutJobs >= maxPagesWithoutJobs) {
      const pages = `${maxPagesWithoutJobs} pages in a row have no new job, and the last one says that there is more`
      return { _tag: "Stuck", detail: `${pages}. \`after: ${JSON.stringify(cursor)}\` continues from there` }
    }
    this.sent.add(cursor)
    return { _tag: "After", cursor }
  }

  private stuck(isEmpty: boolean): Next {
    const jobs = `${this.seen.size} ${this.seen.size === 1 ? "job" : "jobs"}`
    const detail = isEmpty
      ? `the page after ${jobs} is empty and says that there is more, without a new \`last_id\` from which to continue`
      : `the same page again after ${jobs}, and it says that there is more: the server ignores \`after\``
    return { _tag: "Stuck", detail }
  }
}
