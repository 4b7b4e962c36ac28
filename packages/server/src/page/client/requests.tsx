/** View of the requests: a table, newest first. Polls of one path are one row with a count. */
import { useState } from "preact/hooks"
import type { Frames, JobView } from "../frames.js"
import { anchorOf } from "./card.js"
import { wordsOf } from "./kinds.js"
import { clockTime, duration, Icon, shortId, shortText } from "./ui.js"

type Request = Frames["requests"][number]

interface Row {
  readonly request: Request
  /** How many polls the row stands for. */
  readonly count: number
}

const isPoll = ({ fault, operation, status }: Request): boolean =>
  (operation === "retrieve" || operation === "list") && fault === null && status === 200

/** Combines the polls of a path until another request of the path: its row is the last poll. */
const collapsed = (requests: ReadonlyArray<Request>): ReadonlyArray<Row> => {
  const rows = new Map<number, Row>()
  const last = new Map<string, number>()
  for (const request of requests) {
    const { number, path } = request
    const before = last.get(path)
    const row = before === undefined ? undefined : rows.get(before)
    if (row !== undefined && before !== undefined && isPoll(request) && isPoll(row.request)) {
      rows.delete(before)
      rows.set(number, { request, count: row.count + 1 })
    } else rows.set(number, { request, count: 1 })
    last.set(path, number)
  }
  return [...rows.values()]
}

const Status = ({ request: { durationMillis, fault, status } }: { readonly request: Request }) => (
  <>
    <span class={status !== null && status >= 400 ? "bad" : ""}>
      {status ?? (durationMillis === null ? "open" : "no response")}
    </span>
    {fault === null ? null : (
      <span class="fault">
        <Icon name="failed" />
        Fault: {wordsOf(fault)}
      </span>
    )}
  </>
)

interface RequestsProps {
  readonly requests: ReadonlyArray<Request>
  readonly jobs: ReadonlyMap<string, JobView>
  /** Id of the job whose requests are shown; `""` for all. */
  readonly job: string
  readonly onJob: (id: string) => void
}

const shownRows = 100

export const Requests = ({ job, jobs, onJob, requests }: RequestsProps) => {
  const [isCollapsed, setCollapsed] = useState(true)
  const matching = requests.filter(({ video }) => job === "" || video === job)
  const rows = isCollapsed ? collapsed(matching) : matching.map((request) => ({ request, count: 1 }))
  const named = [...new Set(requests.flatMap(({ video }) => (video === null ? [] : [video])))]
  const options = job === "" || named.includes(job) ? named : [job, ...named]
  const nameOf = (id: string) => shortText(jobs.get(id)?.prompt ?? id, 60)
  return (
    <section aria-labelledby="requests-title">
      <h2 id="requests-title" class="unseen" tabIndex={-1}>
        Requests
      </h2>
      <div class="filters">
        <select aria-label="Job" value={job} onChange={({ currentTarget }) => onJob(currentTarget.value)}>
          <option value="">All jobs</option>
          {[...options].reverse().map((id) => (
            <option key={id} value={id}>
              {nameOf(id)}
            </option>
          ))}
        </select>
        <label class="check">
          <input
            type="checkbox"
            checked={isCollapsed}
            onChange={({ currentTarget }) => setCollapsed(currentTarget.checked)}
          />
          Combine polls
        </label>
      </div>
      {rows.length === 0 ? (
        <p class="empty">No requests yet.</p>
      ) : (
        <table class="requests panel" aria-labelledby="requests-title">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Method</th>
              <th scope="col">Path</th>
              <th scope="col">Status</th>
              <th scope="col">Duration</th>
              <th scope="col">Job</th>
            </tr>
          </thead>
          <tbody>
            {rows
              .slice(-shownRows)
              .reverse()
              .map(({ count, request }) => {
                const { at, durationMillis, method, number, path, video } = request
                const prompt = video === null ? undefined : jobs.get(video)?.prompt
                return (
                  <tr key={number}>
                    <td class="time">
                      <time dateTime={new Date(at).toISOString()}>{clockTime(at)}</time>
                    </td>
                    <td class="method">{method}</td>
                    <td class="path">
                      <code title={path}>{path.replace(/[^/?]{19,}/g, shortId)}</code>
                      {count === 1 ? null : <span class="count">{count} polls</span>}
                    </td>
                    <td class="status">
                      <Status request={request} />
                    </td>
                    <td class="duration">{durationMillis === null ? "…" : duration(durationMillis)}</td>
                    <td class="of">
                      {video === null || prompt === undefined ? null : (
                        <a href={`#${encodeURIComponent(anchorOf(video))}`}>{shortText(prompt)}</a>
                      )}
                    </td>
                  </tr>
                )
              })}
          </tbody>
        </table>
      )}
    </section>
  )
}
