/** The errors of the command itself. */
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

/** `doctor` got no response at all. */
export class UnreachableError extends Data.TaggedError("UnreachableError")<{
  readonly baseUrl: string
  readonly detail: string
}> {
  override get message() {
    return `no response from ${this.baseUrl}: ${this.detail}`
  }
}
