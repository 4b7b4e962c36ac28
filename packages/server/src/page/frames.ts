/** What the live page is told, as JSON in server-sent events. The page's own script is checked against these types too. */
import type { VideoFault } from "effect-videos/Schema"
import type { LogEntry, Rule } from "../faults/model.js"
import type { JobRequest, JobState } from "../Jobs.js"
import type { Operation } from "../operations.js"

/** Where a derived clip comes from; a job that was deleted has no name any more. */
export type Source =
  | { readonly _tag: "Job"; readonly id: string }
  | { readonly _tag: "Upload" }
  | { readonly _tag: "Deleted" }

/** A job as a card has it. */
export interface JobView {
  readonly id: string
  readonly operation: JobRequest["operation"]
  readonly model: string
  /** Its beginning, where it is long. */
  readonly prompt: string
  readonly size: string
  readonly seconds: number
  /** `expired`: completed, and the files are gone. */
  readonly phase: JobState["phase"] | "expired"
  readonly progress: number
  /** Until the job ends; `null` once it has. */
  readonly secondsLeft: number | null
  readonly error: VideoFault | null
  readonly source: Source | null
  /** The ids of the jobs that were made from this one. */
  readonly descendants: ReadonlyArray<string>
}

/** A rule in force, and how many requests it has befallen. */
export interface RuleView {
  readonly rule: Rule
  readonly injected: number
}

/** The events by name. A connection begins with all there is; later events have what is new. */
export interface Frames {
  readonly server: {
    readonly dialect: string
    /** Where the protocol's paths start. */
    readonly basePath: string
    readonly operations: ReadonlyArray<Operation>
    /** Whether a creation is taken as a form alone. */
    readonly forms: boolean
  }
  readonly jobs: {
    /** How many there are; only the newest are shown. */
    readonly total: number
    /** Those that are new or changed, older ones first. */
    readonly changed: ReadonlyArray<JobView>
    readonly gone: ReadonlyArray<string>
  }
  readonly faults: ReadonlyArray<RuleView>
  /** The new ones, older ones first. */
  readonly requests: ReadonlyArray<LogEntry>
}
