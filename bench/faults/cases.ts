/**
 * Cases of `bench/faults.ts`: a fault, and the required result for the caller of any client. The requirements are those of a
 * program and do not depend on the client:
 *
 * - A submission makes one job and returns its id. If its response is lost, it can report an unknown outcome instead, or a
 *   failure if no job was made. Two jobs for one call are wrong, and so is a job that the call reports as a failure.
 * - A watch emits the end of the job, and statuses in their order; a temporary fault does not end it.
 * - A list contains each job once. It can fail after some jobs, but a partial list must not look complete.
 * - A file with the final name is complete.
 * - Every call ends within the timeout of `run.ts`. No request to another origin identifies the caller.
 */
import { Fault, type ServerOptions } from "@effect-videos/server"

export type Flow = "submit" | "watch" | "list" | "download"

export interface Case {
  readonly flow: Flow
  readonly name: string
  readonly rules: (elsewhere: string) => ReadonlyArray<Fault.Rule>
  /** `value`: the call succeeds with a true value. `error`: the call fails. `either`: both are correct if true. */
  readonly ends: "value" | "error" | "either"
  /** Whether the client must send only one request, because the refusal is permanent. */
  readonly askedOnce?: boolean
  /** How the watched job ends. Default: `completed`. */
  readonly outcome?: "completed" | "failed"
  /** Number of equal concurrent calls. Default: 1. */
  readonly calls?: number
  /** Number of existing jobs. Default: 1 to watch or download, 5 to list. */
  readonly jobs?: number
  readonly server?: ServerOptions
}

const { first, nth, status } = Fault

const asOne = (fault: Fault.Fault, when: Fault.When, on: Fault.Rule["on"]) => () => [{ on, when, fault }]

const hour = status({ status: 429, retryAfter: "1 hour" })
const quota = status({ status: 429, code: "insufficient_quota" })

// -----------------------------------------------------------------------------
// submissions
// -----------------------------------------------------------------------------

const submission = (
  name: string,
  fault: Fault.Fault,
  ends: Case["ends"],
  more: { readonly when?: Fault.When; readonly askedOnce?: boolean; readonly calls?: number } = {}
): Case => {
  const { when = nth(1), ...rest } = more
  return { flow: "submit", name, ends, rules: asOne(fault, when, ["create"]), ...rest }
}

const refused = { when: Fault.always, askedOnce: true }
const lost = Fault.reset("after-commit")

const submissions: ReadonlyArray<Case> = [
  submission("429, Retry-After in seconds", status({ status: 429, retryAfter: "1 second" }), "value"),
  submission("429, retry-after-ms", status({ status: 429, retryAfter: Fault.retryAfterMillis(300) }), "value"),
  submission("429, Retry-After as a date", status({ status: 429, retryAfter: Fault.retryAfterDate(1500) }), "value"),
  submission("429, Retry-After in the past", status({ status: 429, retryAfter: Fault.retryAfterPast(9000) }), "value"),
  submission("429, Retry-After of an hour", hour, "error", refused),
  submission("429, insufficient_quota", quota, "error", refused),
  submission("500 after the job was made", status({ status: 500, committed: true }), "either"),
  submission("502, HTML; no job made", status({ status: 502, body: "html" }), "either"),
  submission("503; no job made", status({ status: 503 }), "either"),
  submission("524, HTML, after the job was made", status({ status: 524, committed: true }), "either"),
  submission("reset before headers; no job made", Fault.reset("before-headers"), "either"),
  submission("reset after the job was made", lost, "either"),
  submission("reset in the body", Fault.reset("mid-body"), "either"),
  submission("truncated JSON", Fault.cutJson(), "either"),
  submission("HTML with 200; no job made", Fault.html(), "either"),
  submission("no response after the job was made", Fault.hang({ committed: true }), "either"),
  submission("two equal calls, one response lost", lost, "either", { calls: 2 }),
  {
    flow: "submit",
    name: "reset after the job was made, without a list",
    ends: "either",
    rules: () => [
      { on: ["create"], when: nth(1), fault: lost },
      { on: ["list"], fault: status({ status: 501 }) }
    ]
  },
  {
    flow: "submit",
    name: "reset after the job was made, with a stale list",
    ends: "either",
    rules: () => [
      { on: ["create"], when: nth(1), fault: lost },
      { on: ["list"], fault: Fault.stale("3 seconds") }
    ]
  },
  {
    flow: "submit",
    name: "a redirect to another origin",
    ends: "error",
    rules: (elsewhere) => [{ on: ["create"], fault: Fault.redirect(elsewhere) }]
  }
]

// -----------------------------------------------------------------------------
// watches: polls of a job that runs for seconds
// -----------------------------------------------------------------------------

const twice = nth(2, 3)
const fourTimes = nth(2, 3, 4, 5)

const watch = (name: string, fault: Fault.Fault, when: Fault.When, more: Partial<Case> = {}): Case => ({
  flow: "watch",
  name,
  ends: "value",
  rules: asOne(fault, when, ["retrieve"]),
  ...more
})

/** Changes fields of the job on these polls. */
const says = (fields: Parameters<typeof Fault.fields>[0], when: Fault.When): Fault.Rule => ({
  on: ["retrieve"],
  when,
  fault: Fault.fields(fields)
})

const watches: ReadonlyArray<Case> = [
  watch("429, Retry-After in seconds", status({ status: 429, retryAfter: "1 second" }), fourTimes),
  watch("429, Retry-After in the past", status({ status: 429, retryAfter: Fault.retryAfterPast(9000) }), twice),
  watch("429, Retry-After of an hour", hour, Fault.always, { ends: "error", askedOnce: true }),
  watch("500, twice", status({ status: 500 }), twice),
  watch("504, four times", status({ status: 504, body: "empty" }), fourTimes),
  watch("524, HTML, four times", status({ status: 524 }), fourTimes),
  watch("reset before headers, four times", Fault.reset("before-headers"), fourTimes),
  watch("reset in the body, twice", Fault.reset("mid-body"), twice),
  watch("truncated JSON, twice", Fault.cutJson(), twice),
  watch("HTML with 200, twice", Fault.html(), twice),
  watch("no response, twice", Fault.hang(), twice),
  watch("Content-Length too small, twice", Fault.contentLength(-9), twice),
  watch("replica lag: 404", Fault.stale("10 seconds"), first(2)),
  watch("replica lag: back to queued", Fault.unknownStatus("queued"), nth(4, 6), {
    rules: () => [says({ status: "queued" }, nth(4, 6)), says({ status: "in_progress" }, nth(3, 5))]
  }),
  watch("an unknown status, twice", Fault.unknownStatus("dreaming"), twice),
  watch("an unknown status, always", Fault.unknownStatus("dreaming"), Fault.always, { ends: "error" }),
  watch("cancelled as the final status", Fault.unknownStatus("cancelled"), Fault.always, { outcome: "failed" }),
  {
    flow: "watch",
    name: "a failed job with an HTTP error status",
    ends: "value",
    outcome: "failed",
    rules: () => [],
    server: { dialect: "vllm-omni", outcome: () => ({ code: "500", message: "out of memory" }) }
  },
  watch("responses without the id", Fault.fields({ id: "" }), Fault.always),
  watch("a poll redirected to another origin", Fault.html(), nth(2), {
    rules: (elsewhere) => [{ on: ["retrieve"], when: nth(2), fault: Fault.redirect(elsewhere) }]
  })
]

// -----------------------------------------------------------------------------
// lists: five jobs, two on a page
// -----------------------------------------------------------------------------

const list = (name: string, fault: Fault.Fault, when: Fault.When, more: Partial<Case> = {}): Case => ({
  flow: "list",
  name,
  ends: "value",
  rules: asOne(fault, when, ["list"]),
  ...more
})

const lists: ReadonlyArray<Case> = [
  list("429, Retry-After in seconds, on page two", status({ status: 429, retryAfter: "1 second" }), nth(2)),
  list("503, four times", status({ status: 503 }), fourTimes),
  list("reset before headers, twice", Fault.reset("before-headers"), twice),
  list("reset in the body, twice", Fault.reset("mid-body"), twice),
  list("truncated JSON on page two", Fault.cutJson(), nth(2)),
  list("HTML as page three", Fault.html(), nth(3)),
  list("no response on page two", Fault.hang(), nth(2)),
  list("always the same page", Fault.page("first"), Fault.always, { ends: "error" }),
  list("no jobs, with has_more", Fault.page("empty"), Fault.always, { jobs: 0, ends: "error" }),
  list("every job twice", Fault.page("doubled"), Fault.always),
  list("401 from page two on", status({ status: 401 }), nth(2, 3, 4, 5), { ends: "error" }),
  list("page two redirected to another origin", Fault.html(), nth(2), {
    rules: (elsewhere) => [{ on: ["list"], when: nth(2), fault: Fault.redirect(elsewhere) }]
  })
]

// -----------------------------------------------------------------------------
// downloads to a file
// -----------------------------------------------------------------------------

const download = (name: string, fault: Fault.Fault, when: Fault.When, more: Partial<Case> = {}): Case => ({
  flow: "download",
  name,
  ends: "value",
  rules: asOne(fault, when, ["content"]),
  ...more
})

const downloads: ReadonlyArray<Case> = [
  download("429, Retry-After in seconds", status({ status: 429, retryAfter: "1 second" }), first(1)),
  download("502, HTML, twice", status({ status: 502, body: "html" }), first(2)),
  download("503, four times", status({ status: 503 }), first(4)),
  download("reset before headers, twice", Fault.reset("before-headers"), first(2)),
  download("reset in the body, once", Fault.reset("mid-body"), first(1)),
  download("reset in the body, and the files expire", Fault.expire(), first(1), { ends: "error" }),
  download("HTML with 200, once", Fault.html(), first(1)),
  download("HTML with 200, always", Fault.html(), Fault.always, { ends: "error" }),
  download("no response, once", Fault.hang(), first(1)),
  download("Content-Length too large", Fault.contentLength(9), Fault.always, { ends: "either" }),
  download("redirected to another origin, which has the clip", Fault.html(), Fault.always, {
    rules: (elsewhere) => [{ on: ["content"], fault: Fault.redirect(elsewhere) }]
  }),
  {
    flow: "download",
    name: "not ready yet",
    ends: "error",
    rules: () => [],
    server: { queueTime: "1 hour" }
  }
]

export const cases: ReadonlyArray<Case> = [...submissions, ...watches, ...lists, ...downloads]
