/**
 * `/_events`: what happens in the server, as server-sent events, for the live page. Each connection compares what there is
 * with what it has told, so that it costs nothing while nobody listens, and a slow reader gets fewer events, not a queue.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Fault, LogEntry, Rule } from "./faults/model.js"
import type { Faults } from "./faults/rules.js"
import type { Job, Jobs } from "./Jobs.js"
import type { Frames } from "./page/frames.js"
import { viewsOf } from "./page/views.js"

/** Word that something has changed, and not what. */
export interface Changes {
  readonly tell: Effect.Effect<void>
  /** Has one element, however often something has changed since the last was taken. */
  readonly listen: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}

/** @internal */
export const makeChanges: Effect.Effect<Changes> = Effect.map(PubSub.sliding<void>(1), (hub) => ({
  tell: Effect.asVoid(PubSub.publish(hub, undefined)),
  listen: PubSub.subscribe(hub)
}))

/** The jobs, whose changes are told. What the clock changes is not: whoever shows it has to look. */
export const tellingJobs = (jobs: Jobs, { tell }: Changes): Jobs => ({
  ...jobs,
  create: (request) => Effect.ensuring(jobs.create(request), tell),
  extend: (request) => Effect.ensuring(jobs.extend(request), tell),
  remix: (request) => Effect.ensuring(jobs.remix(request), tell),
  edit: (request) => Effect.ensuring(jobs.edit(request), tell),
  remove: (id) => Effect.ensuring(jobs.remove(id), tell),
  expire: (id) => Effect.ensuring(jobs.expire(id), tell)
})

/** The faults, whose changes and requests are told, with a count for each rule. */
export interface CountedFaults extends Faults {
  readonly injected: (rule: Rule) => number
}

/** @internal */
export const tellingFaults = (faults: Faults, { tell }: Changes): CountedFaults => {
  // Rules that are set are copies, so that a fault is one rule's alone.
  const counts = new WeakMap<Fault, number>()
  const injected = (fault: Fault): number => counts.get(fault) ?? 0
  return {
    rules: faults.rules,
    log: faults.log,
    set: (rules) => Effect.ensuring(faults.set(rules), tell),
    add: (...rules) => Effect.ensuring(faults.add(...rules), tell),
    clear: Effect.ensuring(faults.clear, tell),
    next: (request) =>
      Effect.map(faults.next(request), (fault) => {
        if (fault !== null) counts.set(fault, injected(fault) + 1)
        return fault
      }).pipe(Effect.ensuring(tell)),
    injected: ({ fault }) => injected(fault)
  }
}

/** How many of the newest are told. */
const shownJobs = 100
const shownRequests = 40

/** How often a job that has not ended is looked at. */
const pulseMillis = 250
/** The least time between two events, so that many changes make few. */
const gatherMillis = 100
/** The longest silence; proxies cut connections that are silent for longer than about a minute. */
const heartbeatMillis = 15_000

/** @internal */
export interface EventParts {
  readonly server: Frames["server"]
  readonly jobs: Jobs
  readonly faults: CountedFaults
  readonly changes: Changes
}

/** Milliseconds of the clock that nobody sets. */
const currentMonotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / BigInt(1_000_000)))

/** All there is, and then whatever is new, for as long as somebody reads. */
export const eventStream = (parts: EventParts): Stream.Stream<Uint8Array> =>
  Stream.unwrapScoped(
    Effect.map(parts.changes.listen, (changed) => {
      const look = makeLook(parts)
      const next = Effect.gen(function* () {
        const heartbeatAt = (yield* currentMonotonicMillis) + heartbeatMillis
        while (true) {
          const now = yield* Clock.currentTimeMillis
          const { again, text } = yield* look(now)
          if (text !== "") return text
          const left = heartbeatAt - (yield* currentMonotonicMillis)
          if (left <= 0) return ": still here\n\n"
          yield* Effect.timeoutOption(Queue.take(changed), Math.min(again, left))
        }
      })
      const later = Stream.repeatEffect(Effect.zipRight(Effect.sleep(gatherMillis), next))
      return Stream.concat(Stream.fromEffect(next), later)
    })
  ).pipe(Stream.encodeText)

// internal

const frame = <Name extends keyof Frames>(name: Name, data: Frames[Name]): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

/** When time alone may have changed what is shown of a job, in milliseconds from now. */
const againIn = ({ endsAt, expiresAt }: Job, now: number): number =>
  now < endsAt ? pulseMillis : expiresAt !== null && now < expiresAt ? expiresAt - now : Infinity

/** One connection's look at the server: what is new since its last, as text, and when to look again at the latest. */
const makeLook = ({ faults, jobs, server }: EventParts) => {
  let toldServer = false
  let toldRules = ""
  let toldTotal = -1
  let toldJobs = new Map<string, string>()
  let lastEntry: LogEntry | undefined

  return (now: number): Effect.Effect<{ readonly text: string; readonly again: number }> =>
    Effect.map(Effect.all([jobs.all, faults.rules, faults.log]), ([all, rules, log]) => {
      const frames: Array<string> = []
      if (!toldServer) frames.push(frame("server", server))

      const views = viewsOf(all, shownJobs, now)
      const written = new Map(views.map((view) => [view.id, JSON.stringify(view)]))
      const changed = views.filter(({ id }) => toldJobs.get(id) !== written.get(id))
      const gone = [...toldJobs.keys()].filter((id) => !written.has(id))
      if (changed.length > 0 || gone.length > 0 || all.length !== toldTotal) {
        frames.push(frame("jobs", { total: all.length, changed, gone }))
      }

      const ruleViews = rules.map((rule) => ({ rule, injected: faults.injected(rule) }))
      const writtenRules = JSON.stringify(ruleViews)
      if (writtenRules !== toldRules) frames.push(frame("faults", ruleViews))

      // An entry that is no longer in the log is before all that are.
      const entries = log.slice(lastEntry === undefined ? 0 : log.lastIndexOf(lastEntry) + 1).slice(-shownRequests)
      if (entries.length > 0 || !toldServer) frames.push(frame("requests", entries))

      toldServer = true
      toldJobs = written
      toldTotal = all.length
      toldRules = writtenRules
      lastEntry = log.at(-1)
      const again = Math.min(...all.slice(-shownJobs).map((job) => againIn(job, now)))
      return { text: frames.join(""), again }
    })
}
