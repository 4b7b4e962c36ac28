/**
 * Server-sent events of `/_events` for the live page. Each connection compares the current state with the state that it
 * sent last. So the events cost nothing without a reader, and a slow reader gets fewer events, not a queue.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ClipFiles } from "./clipFiles.js"
import type { Fault, Rule } from "./faults/model.js"
import type { Faults, RequestRecord } from "./faults/rules.js"
import type { Job, Jobs } from "./Jobs.js"
import { currentMonotonicMillis } from "./monotonicClock.js"
import type { Frames } from "./page/frames.js"
import { viewsOf } from "./page/views.js"

/** Signals that the state has changed; a signal does not say what changed. */
export interface Changes {
  readonly notify: Effect.Effect<void>
  /** Subscribes to the signals. Several signals between two reads become one element. */
  readonly subscribe: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}

/** @internal */
export const makeChanges: Effect.Effect<Changes> = Effect.map(PubSub.sliding<void>(1), (hub) => ({
  notify: Effect.asVoid(PubSub.publish(hub, undefined)),
  subscribe: PubSub.subscribe(hub)
}))

/** Wraps `Jobs`: each write notifies the subscribers. Progress by time notifies no one; the event stream polls for it. */
export const notifyingJobs = (jobs: Jobs, { notify }: Changes): Jobs => ({
  ...jobs,
  create: (request) => Effect.ensuring(jobs.create(request), notify),
  extend: (request) => Effect.ensuring(jobs.extend(request), notify),
  remix: (request) => Effect.ensuring(jobs.remix(request), notify),
  edit: (request) => Effect.ensuring(jobs.edit(request), notify),
  remove: (id) => Effect.ensuring(jobs.remove(id), notify),
  expire: (id) => Effect.ensuring(jobs.expire(id), notify)
})

/** Wraps `ClipFiles`: a rendered file notifies the subscribers, for its size. */
export const notifyingFiles = (clipFiles: ClipFiles, { notify }: Changes): ClipFiles => ({
  ...clipFiles,
  file: (recipe, variant) => Effect.ensuring(clipFiles.file(recipe, variant), notify)
})

/** Faults with a count of the injections of each rule. */
export interface CountedFaults extends Faults {
  readonly injected: (rule: Rule) => number
}

/** Wraps `Faults`: each change of the rules and each request notifies the subscribers. */
export const notifyingFaults = (faults: Faults, { notify }: Changes): CountedFaults => {
  // `Faults` copies its rules, so each fault object belongs to one rule and can be the key of its count.
  const counts = new WeakMap<Fault, number>()
  const injected = (fault: Fault): number => counts.get(fault) ?? 0
  return {
    rules: faults.rules,
    log: faults.log,
    requests: faults.requests,
    ended: (number, status, video) => Effect.ensuring(faults.ended(number, status, video), notify),
    set: (rules) => Effect.ensuring(faults.set(rules), notify),
    add: (...rules) => Effect.ensuring(faults.add(...rules), notify),
    clear: Effect.ensuring(faults.clear, notify),
    next: (request) =>
      Effect.tap(faults.next(request), ({ fault }) => {
        if (fault !== null) counts.set(fault, injected(fault) + 1)
      }).pipe(Effect.ensuring(notify)),
    injected: ({ fault }) => injected(fault)
  }
}

/** How many of the newest jobs and requests an event contains. */
const shownJobs = 100
const shownRequests = 200

/** Interval at which a connection checks jobs that have not ended. */
const pollMillis = 250
/** Shortest time between two events, so that many changes make few events. */
const minEventGapMillis = 100
/** Longest time without an event; proxies close connections that are silent for about a minute. */
const heartbeatMillis = 15_000

/** @internal */
export interface EventParts {
  readonly server: Frames["server"]
  readonly jobs: Jobs
  readonly faults: CountedFaults
  readonly changes: Changes
  readonly clipFiles: ClipFiles
}

/** Streams the current state, and then every change until the reader closes the connection. */
export const eventStream = (parts: EventParts): Stream.Stream<Uint8Array> =>
  Stream.unwrapScoped(
    Effect.map(parts.changes.subscribe, (changed) => {
      const nextFrames = makeStateDiff(parts)
      const next = Effect.gen(function* () {
        const heartbeatAt = (yield* currentMonotonicMillis) + heartbeatMillis
        while (true) {
          const now = yield* Clock.currentTimeMillis
          const { nextCheckIn, text } = yield* nextFrames(now)
          if (text !== "") return text
          const left = heartbeatAt - (yield* currentMonotonicMillis)
          if (left <= 0) return ": still here\n\n"
          yield* Effect.timeoutOption(Queue.take(changed), Math.min(nextCheckIn, left))
        }
      })
      const later = Stream.repeatEffect(Effect.zipRight(Effect.sleep(minEventGapMillis), next))
      return Stream.concat(Stream.fromEffect(next), later)
    })
  ).pipe(Stream.encodeText)

// internal

const frame = <Name extends keyof Frames>(name: Name, data: Frames[Name]): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

/** Returns the milliseconds until time alone can change the view of a job. */
const nextChangeIn = ({ endsAt, expiresAt }: Job, now: number): number =>
  now < endsAt ? pollMillis : expiresAt !== null && now < expiresAt ? expiresAt - now : Infinity

/**
 * Makes a function that returns the changes since its last call as event text, and the milliseconds until the next check.
 */
const makeStateDiff = ({ clipFiles, faults, jobs, server }: EventParts) => {
  let isServerSent = false
  let sentRules = ""
  let sentTotal = -1
  let sentJobs = new Map<string, string>()
  let sentRequests = new Set<RequestRecord>()

  return (now: number): Effect.Effect<{ readonly text: string; readonly nextCheckIn: number }> =>
    Effect.map(Effect.all([jobs.all, faults.rules, faults.requests]), ([all, rules, log]) => {
      const frames: Array<string> = []
      if (!isServerSent) frames.push(frame("server", server))

      const views = viewsOf(all, shownJobs, now, clipFiles)
      const written = new Map(views.map((view) => [view.id, JSON.stringify(view)]))
      const changed = views.filter(({ id }) => sentJobs.get(id) !== written.get(id))
      const gone = [...sentJobs.keys()].filter((id) => !written.has(id))
      if (changed.length > 0 || gone.length > 0 || all.length !== sentTotal) {
        frames.push(frame("jobs", { total: all.length, changed, gone }))
      }

      const ruleViews = rules.map((rule) => ({ rule, injected: faults.injected(rule) }))
      const writtenRules = JSON.stringify(ruleViews)
      if (writtenRules !== sentRules) frames.push(frame("faults", ruleViews))

      // The end of a request replaces its record.
      const requests = log.slice(-shownRequests)
      const entries = requests.filter((record) => !sentRequests.has(record))
      if (entries.length > 0 || !isServerSent) frames.push(frame("requests", entries))

      isServerSent = true
      sentJobs = written
      sentTotal = all.length
      sentRules = writtenRules
      sentRequests = new Set(requests)
      const nextCheckIn = Math.min(...all.slice(-shownJobs).map((job) => nextChangeIn(job, now)))
      return { text: frames.join(""), nextCheckIn }
    })
}
