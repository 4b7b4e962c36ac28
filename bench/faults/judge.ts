/** Judges the result of a case: whether it is as required, and otherwise its cost. The judge is the same for all clients. */
import type { Case } from "./cases.js"

/** Result of one call. */
export type Result<A> =
  | { readonly _tag: "Value"; readonly value: A }
  | {
      readonly _tag: "Error"
      readonly message: string
      /** Whether the error means an unknown outcome, not a refusal. */
      readonly isOpen: boolean
    }
  | { readonly _tag: "Nothing" }

/** Last update of a watch. */
export interface End {
  readonly id: string
  readonly outcome: "completed" | "failed"
}

/** Facts about a case, by flow. */
export type Found =
  | {
      readonly flow: "submit"
      readonly result: ReadonlyArray<Result<string>>
      /** Jobs that the calls made on the server. */
      readonly made: ReadonlyArray<string>
    }
  | {
      readonly flow: "watch"
      readonly result: Result<End>
      readonly id: string
      /** Emitted statuses, with the last one. */
      readonly statuses: ReadonlyArray<string>
      readonly isStillThere: boolean
    }
  | {
      readonly flow: "list"
      readonly result: Result<void>
      readonly ids: ReadonlyArray<string>
      /** Jobs on the server, newest first. */
      readonly there: ReadonlyArray<string>
    }
  | {
      readonly flow: "download"
      readonly result: Result<void>
      /** File with the final name. */
      readonly file: "whole" | "wrong" | "none"
    }

export type Evidence = Found & {
  /** Requests for the operation that reached the server. */
  readonly requests: number
  /** Requests to another origin that identify the caller. */
  readonly leaks: number
}

export interface Verdict {
  readonly isAsItShould: boolean
  /** Summary in one line. */
  readonly what: string
  /** Jobs beyond one for each call. */
  readonly duplicates: number
  /** Running jobs that the caller has lost: their watch has ended early, or no call returned their id. */
  readonly dropped: number
  /** Whether a call succeeded with a wrong value. */
  readonly isWrong: boolean
  readonly leaks: number
}

/** Returns the order of a status; an unknown status counts as running. */
const rankOf = (status: string): number =>
  status === "queued" ? 0 : status === "completed" || status === "failed" || status === "cancelled" ? 2 : 1

const isInOrder = (statuses: ReadonlyArray<string>): boolean =>
  statuses.every((status, index) => index === 0 || rankOf(status) >= rankOf(statuses[index - 1] ?? status)) &&
  statuses.slice(0, -1).every((status) => rankOf(status) < 2)

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => a.join("\n") === b.join("\n")

/** Formats statuses without repetitions. */
const shorten = (statuses: ReadonlyArray<string>): string =>
  statuses.filter((status, index) => status !== statuses[index - 1]).join(", ") || "nothing"

const say = (result: Result<unknown>): string =>
  result._tag === "Value"
    ? "a value"
    : result._tag === "Error"
      ? `an error (${result.message})`
      : "nothing; the call hangs"

interface Finding {
  /** Whether the results are true. */
  readonly isTrue: boolean
  readonly what: string
  readonly duplicates?: number
  readonly dropped?: number
}

const ofSubmission = ({ made, result }: Extract<Evidence, { flow: "submit" }>, { calls = 1 }: Case): Finding => {
  const owned = result.flatMap((each) => (each._tag === "Value" ? [each.value] : []))
  const open = result.filter((each) => each._tag === "Error" && each.isOpen).length
  const untold = made.filter((id) => !owned.includes(id)).length
  const duplicates = Math.max(0, made.length - calls)
  return {
    // Each returned id belongs to one job and one call. Other jobs need a call that reported an unknown outcome.
    isTrue:
      new Set(owned).size === owned.length &&
      owned.every((id) => made.includes(id)) &&
      duplicates === 0 &&
      untold <= open,
    what: `${made.length} jobs made, ${owned.length} returned, ${open} unknown; results: ${result.map(say).join(" and ")}`,
    duplicates,
    dropped: untold
  }
}

const ofWatch = (
  { id, isStillThere, statuses, result }: Extract<Evidence, { flow: "watch" }>,
  { ends, outcome = "completed" }: Case
): Finding => {
  const isTrue =
    result._tag !== "Value" || (result.value.id === id && result.value.outcome === outcome && isInOrder(statuses))
  return {
    isTrue: isTrue && isStillThere,
    what: `emitted ${shorten(statuses)}; result: ${
      result._tag === "Value"
        ? `${result.value.outcome}${result.value.id === id ? "" : " under another id"}`
        : say(result)
    }`,
    dropped: ends === "value" && outcome === "completed" && result._tag !== "Value" ? 1 : 0
  }
}

const ofList = ({ ids, there, result }: Extract<Evidence, { flow: "list" }>): Finding => ({
  isTrue: result._tag === "Value" ? same(ids, there) : same(ids, there.slice(0, ids.length)),
  what: `${ids.length} of ${there.length}${new Set(ids).size < ids.length ? ", some twice" : ""}; result: ${say(result)}`
})

const ofDownload = ({ file, result }: Extract<Evidence, { flow: "download" }>): Finding => ({
  isTrue: file === (result._tag === "Value" ? "whole" : "none"),
  what: `file: ${file}; result: ${say(result)}`
})

const findingOf = (evidence: Evidence, each: Case): Finding => {
  switch (evidence.flow) {
    case "submit":
      return ofSubmission(evidence, each)
    case "watch":
      return ofWatch(evidence, each)
    case "list":
      return ofList(evidence)
    case "download":
      return ofDownload(evidence)
  }
}

/** Whether all calls have ended, and as the case requires. */
const isWanted = (result: Result<unknown>, ends: Case["ends"]): boolean =>
  result._tag === "Value" ? ends !== "error" : result._tag === "Error" && ends !== "value"

export const judge = (each: Case, evidence: Evidence): Verdict => {
  const result: ReadonlyArray<Result<unknown>> = evidence.flow === "submit" ? evidence.result : [evidence.result]
  const { dropped = 0, duplicates = 0, isTrue, what } = findingOf(evidence, each)
  const { leaks, requests } = evidence
  const isPatient = each.askedOnce === true ? requests === 1 : requests > 0
  const succeeded = result.some(({ _tag }) => _tag === "Value")
  return {
    isAsItShould: result.every((one) => isWanted(one, each.ends)) && isTrue && isPatient && leaks === 0,
    what: `${what}; ${requests} request${requests === 1 ? "" : "s"}${leaks === 0 ? "" : `, ${leaks} of them identify the caller to another origin`}`,
    duplicates,
    dropped,
    isWrong: succeeded && ((!isTrue && duplicates === 0) || each.ends === "error"),
    leaks: leaks > 0 ? 1 : 0
  }
}
