/** Which requests have which fault: the rules of a server, their counts, and what came of them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Utils from "effect/Utils"
import type { Operation } from "../operations.js"
import { type Fault, type LogEntry, Rule, subjectsOf, type When } from "./model.js"

/**
 * The faults of a running server.
 *
 * Of several rules that have a fault for one request, the first one wins; all of them count the request.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultsService {
  /** The rules in force, in order. */
  readonly rules: Effect.Effect<ReadonlyArray<Rule>>
  /** These rules and no others; counts begin anew. Dies of a rule that makes no sense, before anything is changed. */
  readonly set: (rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** These rules too, after the others, whose counts go on. */
  readonly add: (...rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** No rules. What was logged stays. */
  readonly clear: Effect.Effect<void>
  /**
   * The last 1000 requests, oldest first, and the fault that each had. Preflights, `/_faults` and the live page's own
   * requests are not in it.
   */
  readonly log: Effect.Effect<ReadonlyArray<LogEntry>>
}

/** @internal */
export interface Faults extends FaultsService {
  /** Counts and logs a request, and says what goes wrong with it. */
  readonly next: (request: {
    readonly operation: Operation | null
    readonly method: string
    readonly path: string
  }) => Effect.Effect<Fault | null>
}

/** @internal */
export const Rules = Schema.Array(Rule)

const validate = Schema.validate(Rules, { onExcessProperty: "error" })

/** A mistake of the program's. */
const checked = (rules: ReadonlyArray<Rule>): Effect.Effect<ReadonlyArray<Rule>> =>
  Effect.catchAll(validate(rules), (error) =>
    Effect.dieMessage(`the rules of the server's faults: ${ParseResult.TreeFormatter.formatErrorSync(error)}`)
  )

const maxLog = 1000

interface Counted {
  readonly rule: Rule
  /** Whether the rule is about requests for the operation. */
  readonly isAbout: (operation: Operation) => boolean
  /** Whether the nth of them is one that it picks. */
  readonly picks: (n: number) => boolean
  seen: number
  injected: number
}

const picking = (when: When | undefined): ((n: number) => boolean) => {
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
      // One draw for each request that is counted, so that the nth is the nth draw.
      const random = new Utils.PCGRandom(when.seed)
      return () => random.number() < when.probability
    }
  }
}

const counted = (rule: Rule): Counted => {
  const subjects = new Set<Operation>(rule.on ?? subjectsOf(rule.fault))
  return { rule, isAbout: (operation) => subjects.has(operation), picks: picking(rule.when), seen: 0, injected: 0 }
}

/** @internal */
export const makeFaults = (initial: ReadonlyArray<Rule> = []): Effect.Effect<Faults> =>
  Effect.map(checked(initial), (first) => {
    let current: ReadonlyArray<Counted> = first.map(counted)
    const entries: Array<LogEntry> = []

    const pick = (operation: Operation): Fault | null => {
      let picked: Counted | undefined
      for (const each of current) {
        if (!each.isAbout(operation)) continue
        each.seen++
        if (each.picks(each.seen) && each.injected < (each.rule.times ?? Infinity)) picked ??= each
      }
      if (picked === undefined) return null
      picked.injected++
      return picked.rule.fault
    }

    return {
      rules: Effect.sync(() => current.map(({ rule }) => rule)),
      set: (rules) =>
        Effect.map(checked(rules), (valid) => {
          current = valid.map(counted)
        }),
      add: (...rules) =>
        Effect.map(checked(rules), (valid) => {
          current = [...current, ...valid.map(counted)]
        }),
      clear: Effect.sync(() => {
        current = []
      }),
      log: Effect.sync(() => [...entries]),
      next: ({ method, operation, path }) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          const fault = operation === null ? null : pick(operation)
          entries.push({ at, operation, method, path, fault })
          if (entries.length > maxLog) entries.shift()
          return fault
        })
    }
  })
