/** Rules of a server: they select a fault for each request, count requests, and log them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Utils from "effect/Utils"
import type { Operation } from "../operations.js"
import { type Fault, type LogEntry, operationsOf, Rule, type When } from "./model.js"

/**
 * Faults of a running server.
 *
 * If several rules select a fault for one request, the first rule wins. All rules that match count the request.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultsService {
  /** Current rules, in order. */
  readonly rules: Effect.Effect<ReadonlyArray<Rule>>
  /** Replaces all rules and resets the counts. Dies if a rule is invalid; then nothing changes. */
  readonly set: (rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** Appends rules; the counts of the other rules stay. Dies if a rule is invalid; then nothing changes. */
  readonly add: (...rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** Removes all rules; the log stays. */
  readonly clear: Effect.Effect<void>
  /**
   * The last 1000 requests with their faults, oldest first. Excludes preflights, `/_faults` and the requests of the live
   * page.
   */
  readonly log: Effect.Effect<ReadonlyArray<LogEntry>>
}

/** @internal */
export interface Faults extends FaultsService {
  /** The log, with what only the live page shows. */
  readonly requests: Effect.Effect<ReadonlyArray<RequestRecord>>
  /** Counts and logs a request, and returns its fault and its number. */
  readonly next: (request: {
    readonly operation: Operation | null
    readonly method: string
    readonly path: string
    readonly video: string | null
  }) => Effect.Effect<{ readonly fault: Fault | null; readonly number: number }>
  /** Logs the end of a request: the status of its response, and the video that it made. */
  readonly ended: (number: number, status: number | null, video: string | null) => Effect.Effect<void>
}

/** @internal */
export interface RequestRecord extends LogEntry {
  /** Counts from 0. */
  readonly number: number
  /** Id of the video that the request names or made. */
  readonly video: string | null
}

/** @internal */
export const Rules = Schema.Array(Rule)

const validate = Schema.validate(Rules, { onExcessProperty: "error" })

/** Validates rules; dies if one is invalid, because that is a mistake in the program. */
const validateRules = (rules: ReadonlyArray<Rule>): Effect.Effect<ReadonlyArray<Rule>> =>
  Effect.catchAll(validate(rules), (error) =>
    Effect.dieMessage(`faults: a rule is invalid: ${ParseResult.TreeFormatter.formatErrorSync(error)}`)
  )

const maxLog = 1000

interface CountedRule {
  readonly rule: Rule
  readonly matches: (operation: Operation) => boolean
  /** Whether the rule selects its nth matching request. */
  readonly selects: (n: number) => boolean
  seen: number
  injected: number
}

const selectorOf = (when: When | undefined): ((n: number) => boolean) => {
  switch (when?._tag) {
    case undefined:
    case "Always":
      return () => true
    case "Nth":
      return (n) => when.n.includes(n)
    case "Every":
      return (n) => n % when.n === 0
    case "First":
      return (n) => n <= when.n
    case "Chance": {
      // One draw for each counted request, so the nth request always has the nth draw.
      const random = new Utils.PCGRandom(when.seed)
      return () => random.number() < when.probability
    }
  }
}

const withCounts = (rule: Rule): CountedRule => {
  const operations = new Set<Operation>(rule.on ?? operationsOf(rule.fault))
  return {
    rule,
    matches: (operation) => operations.has(operation),
    selects: selectorOf(rule.when),
    seen: 0,
    injected: 0
  }
}

/** @internal */
export const makeFaults = (initial: ReadonlyArray<Rule> = []): Effect.Effect<Faults> =>
  Effect.map(validateRules(initial), (first) => {
    let current: ReadonlyArray<CountedRule> = first.map(withCounts)
    const entries: Array<RequestRecord> = []
    let count = 0

    const selectFault = (operation: Operation): Fault | null => {
      let selected: CountedRule | undefined
      for (const candidate of current) {
        if (!candidate.matches(operation)) continue
        candidate.seen++
        if (candidate.selects(candidate.seen) && candidate.injected < (candidate.rule.times ?? Infinity)) {
          selected ??= candidate
        }
      }
      if (selected === undefined) return null
      selected.injected++
      return selected.rule.fault
    }

    return {
      rules: Effect.sync(() => current.map(({ rule }) => rule)),
      set: (rules) =>
        Effect.map(validateRules(rules), (valid) => {
          current = valid.map(withCounts)
        }),
      add: (...rules) =>
        Effect.map(validateRules(rules), (valid) => {
          current = [...current, ...valid.map(withCounts)]
        }),
      clear: Effect.sync(() => {
        current = []
      }),
      log: Effect.sync(() => entries.map(({ number: _, video: __, ...entry }) => entry)),
      requests: Effect.sync(() => [...entries]),
      next: (request) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          const fault = request.operation === null ? null : selectFault(request.operation)
          const number = count++
          entries.push({ ...request, number, at, fault, status: null, durationMillis: null })
          if (entries.length > maxLog) entries.shift()
          return { fault, number }
        }),
      ended: (number, status, video) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const index = number - (entries[0]?.number ?? 0)
          const entry = entries[index]
          if (entry === undefined) return
          const durationMillis = Math.max(0, now - entry.at)
          entries[index] = { ...entry, status, durationMillis, video: video ?? entry.video }
        })
    }
  })
