/** State of the page: what the events contain, and which card gets the focus. */
import type { Frames, JobView } from "../frames.js"

type Request = Frames["requests"][number]

export interface State {
  readonly connection: "connecting" | "live" | "waiting" | "locked"
  readonly server: Frames["server"] | null
  /** Whether the next jobs are all jobs, because the connection is new. */
  readonly isFresh: boolean
  readonly total: number
  /** Oldest first. */
  readonly jobs: ReadonlyMap<string, JobView>
  readonly rules: Frames["faults"]
  /** Oldest first, by number. */
  readonly requests: ReadonlyMap<number, Request>
  /** Jobs that ended with the last event, for screen readers. */
  readonly news: string
}

export const initial: State = {
  connection: "connecting",
  server: null,
  isFresh: true,
  total: 0,
  jobs: new Map(),
  rules: [],
  requests: new Map(),
  news: ""
}

export const phaseNames: { readonly [phase in JobView["phase"]]: string } = {
  queued: "Queued",
  in_progress: "Running",
  completed: "Completed",
  failed: "Failed",
  expired: "Expired"
}

const maxRequests = 500

export type Action = { readonly frame: Partial<Frames> } | { readonly connection: State["connection"] }

export const reduce = (state: State, action: Action): State => {
  if ("connection" in action) {
    return state.connection === action.connection ? state : { ...state, connection: action.connection }
  }
  const { faults, jobs, requests, server } = action.frame
  if (server !== undefined) return { ...state, server, isFresh: true, requests: new Map() }
  if (jobs !== undefined) return withJobs(state, jobs)
  if (faults !== undefined) return { ...state, rules: faults }
  if (requests !== undefined) {
    const all = [...new Map([...state.requests, ...requests.map((request) => [request.number, request] as const)])]
    return { ...state, requests: new Map(all.slice(-maxRequests)) }
  }
  return state
}

const withJobs = (state: State, { changed, gone, total }: Frames["jobs"]): State => {
  const jobs = new Map(state.isFresh ? [] : state.jobs)
  for (const id of gone) jobs.delete(id)
  const endings: Array<string> = []
  for (const view of changed) {
    const isEnd = view.phase !== "queued" && view.phase !== "in_progress"
    if (!state.isFresh && isEnd && jobs.get(view.id)?.phase !== view.phase) {
      endings.push(`${phaseNames[view.phase]}: ${view.prompt}`)
    }
    jobs.set(view.id, view)
  }
  return { ...state, jobs, total, isFresh: false, news: endings.length === 0 ? state.news : endings.join(". ") }
}
