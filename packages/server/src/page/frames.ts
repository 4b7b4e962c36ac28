/** Data of the live page, as JSON in server-sent events. The script of the page is checked against these types too. */
import type { VideoFault } from "effect-videos/Schema"
import type { Rule } from "../faults/model.js"
import type { RequestRecord } from "../faults/rules.js"
import type { JobRequest, JobState } from "../Jobs.js"
import type { Operation } from "../operations.js"

/** Source of a derived clip. */
export type Source =
  | { readonly _tag: "Job"; readonly id: string }
  | { readonly _tag: "Upload" }
  | { readonly _tag: "Deleted" }

/** One clip of a chain of extensions, oldest first; `id` is `null` if it was uploaded or its job was deleted. */
export interface Step {
  readonly id: string | null
  /** Length of its own segment. */
  readonly seconds: number
}

/** A job as a card shows it. */
export interface JobView {
  readonly id: string
  readonly operation: JobRequest["operation"]
  readonly model: string
  /** The first 400 characters; `/_page/videos/{id}/prompt` has the whole prompt. */
  readonly prompt: string
  readonly isPromptTruncated: boolean
  readonly size: string
  readonly seconds: number
  /** `expired`: completed, and the files are gone. */
  readonly phase: JobState["phase"] | "expired"
  readonly progress: number
  /** Until the job ends; `null` after that. */
  readonly secondsLeft: number | null
  /** Unix milliseconds by the server's clock. */
  readonly createdAt: number
  /** Since the submission, until the end of the job; whole seconds before the end. */
  readonly elapsedMillis: number
  /** Size of the video file; `null` before the server has rendered it. */
  readonly bytes: number | null
  readonly error: VideoFault | null
  readonly source: Source | null
  /** The chain of extensions up to this job; empty for a job that extends nothing. */
  readonly steps: ReadonlyArray<Step>
  /** Whether the request had a file, which a new request lacks. */
  readonly hasUpload: boolean
  /** The ids of the jobs that were made from this one. */
  readonly descendants: ReadonlyArray<string>
}

/** A rule, and how many requests it has changed. */
export interface RuleView {
  readonly rule: Rule
  readonly injected: number
}

/** Events by name. A connection begins with the whole state; later events contain the changes. */
export interface Frames {
  readonly server: {
    readonly dialect: string
    /** Base path of the protocol. */
    readonly basePath: string
    readonly operations: ReadonlyArray<Operation>
    /** Whether a submission must be a form. */
    readonly forms: boolean
    /** Whether a deletion cancels a job that has not ended; otherwise it is refused. */
    readonly cancels: boolean
  }
  readonly jobs: {
    /** Number of jobs of the server; the events contain the newest. */
    readonly total: number
    /** New and changed jobs, oldest first. */
    readonly changed: ReadonlyArray<JobView>
    readonly gone: ReadonlyArray<string>
  }
  readonly faults: ReadonlyArray<RuleView>
  /** New and ended requests, oldest first; `number` identifies a request. */
  readonly requests: ReadonlyArray<RequestRecord>
}
