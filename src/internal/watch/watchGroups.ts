/**
 * All watches of one `Videos`, in groups whose polls are alike: by the same functions, with the same extra headers and query.
 * Watches of one group share polls and pages of the list; the groups share the limit of requests, the events and the end.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DownloadPolicy, WatchingPolicy } from "../config/policies.js"
import type { BudgetSnapshot } from "../rate/budgetTypes.js"
import type { VideosService, Watchers } from "../videosTypes.js"
import { anyPages, type PageReads, type ReadOptions } from "./poller.js"
import { wasSubmitted } from "./recentSubmissions.js"
import type { Feed } from "./updateQueue.js"
import type { Plan, Start, Watch } from "./watch.js"
import { Hub, Shared } from "./watchHub.js"

/** How watches read, and the state of the request budget. */
export type WatchingOptions = WatchingPolicy & { readonly budget?: (() => BudgetSnapshot) | undefined }

/** @internal */
export class WatchGroups {
  private readonly base: Hub
  private readonly videos: VideosService
  private readonly pages: PageReads
  private readonly options: ReadOptions
  private readonly budget: WatchingOptions["budget"] | null
  private readonly shared: Shared
  /** By the key of the options that their polls carry. */
  private readonly groups = new Map<string, Array<Hub>>()
  private readonly onClose = new Set<() => void>()

  /** `submitter` is the service that makes jobs, if it is a live one: it knows which ones it has made just now. */
  constructor(
    videos: VideosService,
    watching: WatchingOptions | undefined,
    pages: PageReads,
    submitter: VideosService = videos
  ) {
    this.shared = new Shared((id, now) => wasSubmitted(submitter, id, now))
    const { budget, concurrency = 64, list = "auto", threshold = 20 } = watching ?? {}
    this.videos = videos
    this.pages = pages
    this.options = { mode: list, threshold, concurrency }
    this.budget = budget ?? null
    this.base = this.add(videos, { key: "", options: {} })
  }

  /** Begins a watch whose polls go by `videos`: this one's service, or what a program has made of it. */
  subscribe(
    videos: VideosService,
    plan: Plan,
    start: Start,
    feed: Feed,
    runtime: Runtime.Runtime<never>,
    clock: Clock.Clock
  ): Watch {
    const hub = this.groups.get(plan.polled.key)?.find((group) => group.isFor(videos)) ?? this.add(videos, plan.polled)
    return hub.subscribe(plan, start, feed, runtime, clock)
  }

  /** Ends watches for their consumer: what was in flight for them alone is closed when this returns. */
  release(watches: Iterable<Watch>): Effect.Effect<void> {
    const stopped: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (const watch of watches) stopped.push(...watch.leave())
    return stopped.length === 0 ? Effect.void : Effect.forEach(stopped, Fiber.await, { discard: true })
  }

  /** Runs `end` when this closes, and at once if it has; gives what takes it back. */
  whenClosed(end: () => void): () => void {
    if (this.shared.isClosed) end()
    else this.onClose.add(end)
    return () => void this.onClose.delete(end)
  }

  /** Bytes that take long: the fiber that reads them is interrupted when this closes. */
  untilClosed<A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> {
    const register = Effect.withFiberRuntime<() => void>((fiber) =>
      Effect.sync(() => this.whenClosed(() => fiber.unsafeInterruptAsFork(FiberId.none)))
    )
    return Stream.unwrapScoped(
      Effect.as(
        Effect.acquireRelease(register, (stay) => Effect.sync(stay)),
        stream
      )
    )
  }

  /** Ends all watches by interruption, and those that begin later at once. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.shared.isClosed = true
    const stopped = this.all().flatMap((hub) => hub.close())
    for (const end of this.onClose) end()
    this.onClose.clear()
    return Effect.forEach(stopped, Fiber.await, { discard: true })
  })

  /** While the scope is open, events tell when jobs end, and polls are a safety net, so many milliseconds apart. */
  pushed(safetyNet: number): Effect.Effect<void, never, Scope.Scope> {
    const { nets } = this.shared
    return Effect.acquireRelease(
      Effect.sync(() => void nets.push(safetyNet)),
      () => Effect.sync(() => void nets.splice(nets.indexOf(safetyNet), 1))
    )
  }

  /** An event says that the job has ended: one poll confirms it. An event of a job that has no watch is kept for a while. */
  announce(id: string, now: number): void {
    const watching = this.all().filter(({ jobs }) => jobs.has(id))
    if (watching.length === 0) this.shared.remember(id, now)
    for (const hub of watching) hub.announce(id)
  }

  /** What goes on, for status pages and tests. */
  snapshot(): Watchers {
    const hubs = this.all()
    const { options, trust } = this.base.reads
    return {
      jobs: hubs.flatMap((hub) => hub.watchers()),
      list: { mode: options.mode, distrust: trust.distrust },
      inFlight: this.shared.inFlight,
      waiting: hubs.reduce((sum, { reads }) => sum + reads.waiting, 0),
      isPushed: this.shared.nets.length > 0,
      budget: this.budget?.() ?? null
    }
  }

  private all(): Array<Hub> {
    return [...this.groups.values()].flat()
  }

  private add(videos: VideosService, polled: Plan["polled"]): Hub {
    const pages = videos.listPages === this.videos.listPages ? this.pages : anyPages(videos)
    const hub = new Hub(videos, pages, polled, this.options, this.shared, () => this.emptied(hub))
    const alike = this.groups.get(polled.key)
    if (alike === undefined) this.groups.set(polled.key, [hub])
    else alike.push(hub)
    return hub
  }

  /** A group that has no watch any more goes, but for that of most watches, which knows how far to trust the list. */
  private emptied(hub: Hub): void {
    if (hub === this.base) return
    const { key } = hub.polled
    const alike = this.groups.get(key)?.filter((other) => other !== hub) ?? []
    if (alike.length === 0) this.groups.delete(key)
    else this.groups.set(key, alike)
  }
}

// -----------------------------------------------------------------------------
// what belongs to a service
// -----------------------------------------------------------------------------

/** What is kept beside the functions of a `Videos`. */
export interface Belongings {
  readonly watches: WatchGroups
  /** `null` for a canned `Videos`. */
  readonly downloading: DownloadPolicy | null
}

const mark = Symbol("effect-videos/Videos")

/** By the service, by its mark, and by each of its functions. */
const belongings = new WeakMap<object, Belongings>()

/**
 * A live service with its belongings. A program may put its own function in the place of one (`{ ...videos, retrieve }`): the
 * copy has the mark and the other functions, and so the same belongings.
 */
export const withBelongings = (
  service: VideosService,
  watching: WatchingOptions | undefined,
  pages: PageReads,
  downloading: DownloadPolicy | null
): VideosService => {
  const content: VideosService["content"] = (id, options) => own.watches.untilClosed(service.content(id, options))
  const marked = { ...service, content, [mark]: Object.freeze({}) }
  const own: Belongings = { watches: new WatchGroups(marked, watching, pages, service), downloading }
  for (const part of [marked, marked[mark], ...Object.values(marked)]) belongings.set(part, own)
  return marked
}

const isKey = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

/** Those of a live service or a copy of it; those of a canned one are made here, and end with it. */
export const belongingsOf = (videos: VideosService, watching?: WatchingOptions): Belongings => {
  const known = belongings.get(videos)
  if (known !== undefined) return known
  const parts = [Reflect.get(videos, mark), ...Object.values(videos)]
  const copied = parts.map((part) => (isKey(part) ? belongings.get(part) : undefined)).find((own) => own !== undefined)
  const own = copied ?? { watches: new WatchGroups(videos, watching, anyPages(videos)), downloading: null }
  belongings.set(videos, own)
  return own
}
