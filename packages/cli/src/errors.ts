/** The errors of the command itself. */
import type { Run } from "@effect-videos/durable"
import * as Data from "effect/Data"

/** An argument that cannot be used. Nothing was sent. */
export class UsageError extends Data.TaggedError("UsageError")<{
  /** As it is written: `--output`, `ID`. */
  readonly field: string
  readonly problem: string
}> {
  override get message() {
    return `\`${this.field}\` ${this.problem}`
  }
}

/** A run that `runs wait` waited for has ended otherwise, needs a decision, or goes on. */
export class RunNotDoneError extends Data.TaggedError("RunNotDoneError")<Pick<Run, "execution" | "state" | "problem">> {
  override get message() {
    const { execution, problem, state } = this
    return `run ${execution.slice(0, 8)} is ${state}${problem === null ? "" : `: ${problem}`}`
  }
}

/** `doctor` got no response at all. */
export class UnreachableError extends Data.TaggedError("UnreachableError")<{
  readonly baseUrl: string
  readonly detail: string
}> {
  override get message() {
    return `no response from ${this.baseUrl}: ${this.detail}`
  }
}
