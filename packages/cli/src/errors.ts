/** What the command itself fails with, beside what the library does. */
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

/** `doctor` got no answer at all. */
export class UnreachableError extends Data.TaggedError("UnreachableError")<{
  readonly baseUrl: string
  readonly detail: string
}> {
  override get message() {
    return `no answer from ${this.baseUrl}: ${this.detail}`
  }
}
