/** The faults that the page has switches for, and how often each may happen. */
import type { Fault, Rule, When } from "../../faults/model.js"

export interface Kind {
  readonly name: string
  readonly fault: Fault
}

const status = (code: number, more: Partial<Extract<Fault, { readonly _tag: "Status" }>> = {}): Fault => ({
  _tag: "Status",
  status: code,
  body: "json",
  committed: false,
  ...more
})

/** Faults that real programs meet; a test sets the hostile ones. */
export const kinds: ReadonlyArray<Kind> = [
  {
    name: "429, rate limit",
    fault: status(429, { code: "rate_limit_exceeded", retryAfter: { form: "seconds", afterMillis: 1000 } })
  },
  { name: "429, quota used up", fault: status(429, { code: "insufficient_quota" }) },
  { name: "500, server error", fault: status(500) },
  { name: "503, overloaded", fault: status(503, { retryAfter: { form: "seconds", afterMillis: 1000 } }) },
  { name: "HTML instead of JSON", fault: status(200, { body: "html" }) },
  { name: "Connection reset", fault: { _tag: "Reset", at: "before-headers" } },
  { name: "Done, response lost", fault: { _tag: "Reset", at: "after-commit" } },
  { name: "Body truncated", fault: { _tag: "Reset", at: "mid-body" } },
  { name: "No response", fault: { _tag: "Hang", committed: false } },
  { name: "JSON truncated", fault: { _tag: "CutJson" } },
  { name: "Slow body, 80 B/s", fault: { _tag: "Slow", bytes: 16, everyMillis: 200 } },
  { name: "Stale by 5 seconds", fault: { _tag: "Stale", byMillis: 5000 } },
  { name: "Unknown status", fault: { _tag: "Fields", fields: { status: "thinking" } } },
  { name: "Clock an hour ahead", fault: { _tag: "Skew", aheadMillis: 3_600_000 } },
  { name: "Submitted twice", fault: { _tag: "Duplicate", of: "job" } },
  { name: "Files expire midway", fault: { _tag: "Expire" } }
]

export interface Pace {
  readonly id: string
  readonly name: string
  readonly limits: { readonly times: number } | { readonly probability: number } | null
}

/** Uses `Rule.times`, not `When`, because the page shows how many are left. */
export const paces: readonly [Pace, ...ReadonlyArray<Pace>] = [
  { id: "next", name: "next one", limits: { times: 1 } },
  { id: "next-3", name: "next 3", limits: { times: 3 } },
  { id: "next-10", name: "next 10", limits: { times: 10 } },
  { id: "tenth", name: "10 %", limits: { probability: 0.1 } },
  { id: "half", name: "50 %", limits: { probability: 0.5 } },
  { id: "all", name: "all", limits: null }
]

export const ruleOf = ({ fault }: Kind, { limits }: Pace): Rule => {
  if (limits === null) return { fault }
  if ("times" in limits) return { fault, times: limits.times }
  const seed = Math.floor(Math.random() * 2 ** 31)
  const when: When = { _tag: "Chance", probability: limits.probability, seed }
  return { fault, when }
}

/** Encodes a value independent of the order of its keys. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  )

export const kindOf = (fault: Fault): Kind | undefined =>
  kinds.find((kind) => canonical(kind.fault) === canonical(fault))

/** Returns the name of a fault, or its tag and values if it has no switch. */
export const wordsOf = (fault: Fault): string => {
  const kind = kindOf(fault)
  if (kind !== undefined) return kind.name
  const { _tag, ...values } = fault
  const details = JSON.stringify(values)
  return details === "{}" ? _tag : `${_tag} ${details.length > 120 ? `${details.slice(0, 118)} …` : details}`
}

export const paceOf = ({ when, times }: Rule): Pace | undefined =>
  paces.find(({ limits }) =>
    limits === null
      ? when === undefined && times === undefined
      : "times" in limits
        ? when === undefined && times === limits.times
        : when?._tag === "Chance" && when.probability === limits.probability
  )

/** Describes a rule in words. */
export const describe = ({ fault, on, times, when }: Rule): string =>
  [
    wordsOf(fault),
    on === undefined ? "" : `on ${on.join(", ")}`,
    when === undefined ? "" : whenWords(when),
    times === undefined ? "" : times === 1 ? "once" : `at most ${times} times`
  ]
    .filter((words) => words !== "")
    .join(", ")

const whenWords = (when: When): string => {
  switch (when._tag) {
    case "Always":
      return "always"
    case "Nth":
      return `request ${when.n.join(", ")}`
    case "Every":
      return `every ${when.n} requests`
    case "First":
      return `the first ${when.n} requests`
    case "Chance":
      return `${when.probability * 100} % of requests`
  }
}
