/** View of the jobs: a form for a new one, search and filter, and the cards, newest first. */
import { useEffect, useMemo, useState } from "preact/hooks"
import type { JobView } from "../frames.js"
import { anchorOf, Card, type CardActions, hasEnded } from "./card.js"
import { baseUrlOf, firstCommands } from "./commands.js"
import { lengths } from "./player.js"
import { type Server, submit } from "./server.js"
import { CopyButton } from "./ui.js"

interface JobsProps {
  readonly server: Server
  readonly jobs: ReadonlyArray<JobView>
  readonly total: number
  readonly actions: CardActions
  /** Id of the job whose card takes the focus. */
  readonly focused: string | null
  readonly onFocus: (id: string | null) => void
  readonly problems: ReadonlyMap<string, string>
}

const sizes = ["1280x720", "720x1280", "320x180"]

const Create = ({ onMade, server }: { readonly server: Server; readonly onMade: (id: string | null) => void }) => {
  const [problem, setProblem] = useState<string | null>(null)
  const [isSending, setSending] = useState(false)
  const send = async (form: HTMLFormElement) => {
    if (isSending) return
    const data = new FormData(form)
    const text = (name: string) => String(data.get(name))
    setSending(true)
    setProblem(null)
    const fields = { prompt: text("prompt"), seconds: text("seconds"), size: text("size"), model: "sora-2" }
    const outcome = await submit(server, "/videos", fields)
    setSending(false)
    if (!outcome.ok) return setProblem(outcome.problem)
    const input = form.elements.namedItem("prompt")
    if (input instanceof HTMLInputElement) input.value = ""
    onMade(outcome.id)
  }
  return (
    <form
      class="panel fields create"
      onSubmit={(event) => {
        event.preventDefault()
        void send(event.currentTarget)
      }}
    >
      <div class="field most">
        <label for="create-prompt">Prompt</label>
        <input
          id="create-prompt"
          name="prompt"
          required
          maxLength={32000}
          autoComplete="off"
          placeholder="A lighthouse at dusk"
        />
      </div>
      <div class="field">
        <label for="create-seconds">Length</label>
        <select id="create-seconds" name="seconds">
          {lengths.map((seconds) => (
            <option key={seconds} value={seconds}>
              {seconds} s
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="create-size">Size</label>
        <select id="create-size" name="size">
          {sizes.map((size) => (
            <option key={size}>{size}</option>
          ))}
        </select>
      </div>
      <button type="submit" aria-disabled={isSending}>
        {isSending ? "Sending …" : "Create"}
      </button>
      {problem === null ? null : (
        <p class="problem whole" role="alert">
          {problem}
        </p>
      )}
    </form>
  )
}

const Empty = ({ server }: { readonly server: Server }) => (
  <div class="empty">
    <p>
      No jobs yet. Create one above, or from a terminal. The base URL is <code>{baseUrlOf(server)}</code>
    </p>
    <ol class="commands">
      {firstCommands(server).map((command) => (
        <li key={command}>
          <code>{command}</code>
          <CopyButton name={`Copy ${command}`} text={() => command} />
        </li>
      ))}
    </ol>
  </div>
)

const filters: ReadonlyArray<readonly [name: string, matches: (job: JobView) => boolean]> = [
  ["All", () => true],
  ["Active", (job) => !hasEnded(job)],
  ["Completed", ({ phase }) => phase === "completed"],
  ["Failed", ({ phase }) => phase === "failed" || phase === "expired"]
]

/** Cards per page: divisible by two, three and four columns. */
const pageSize = 24

const linkedOf = ({ descendants, source, steps }: JobView, promptOf: CardActions["promptOf"]): string =>
  [...descendants, ...steps.map(({ id }) => id), source?._tag === "Job" ? source.id : null]
    .map((id) => (id === null ? "" : promptOf(id)))
    .join("\n")

export const Jobs = ({ actions, focused, jobs, onFocus, problems, server, total }: JobsProps) => {
  const [search, setSearch] = useState("")
  const [filter, setFilter] = useState("All")
  const [pages, setPages] = useState(1)
  const matches = filters.find(([name]) => name === filter)?.[1] ?? (() => true)
  const words = search.trim().toLowerCase()
  const found = useMemo(
    () => jobs.filter((job) => words === "" || `${job.prompt} ${job.id}`.toLowerCase().includes(words)),
    [jobs, words]
  )
  const filtered = found.filter(matches)
  const shown = filtered.slice(0, pages * pageSize)
  // A job that takes the focus is shown, whatever the filter hides.
  useEffect(() => {
    if (focused === null || !jobs.some(({ id }) => id === focused)) return
    const index = filtered.findIndex(({ id }) => id === focused)
    if (index >= 0) return setPages(Math.max(pages, Math.ceil((index + 1) / pageSize)))
    setSearch("")
    setFilter("All")
  }, [focused, jobs])
  const showMore = () => {
    const next = filtered[shown.length]
    setPages(pages + 1)
    if (next !== undefined) onFocus(next.id)
  }
  return (
    <section aria-labelledby="jobs-title">
      <h2 id="jobs-title" class="unseen" tabIndex={-1}>
        Jobs
      </h2>
      {server.operations.includes("create") ? <Create server={server} onMade={onFocus} /> : null}
      {jobs.length === 0 ? (
        <Empty server={server} />
      ) : (
        <div class="filters">
          <input
            type="search"
            aria-label="Search prompts and ids"
            placeholder="Search prompts and ids"
            value={search}
            onInput={({ currentTarget }) => {
              setSearch(currentTarget.value)
              setPages(1)
            }}
          />
          <fieldset class="segments">
            <legend class="unseen">Status</legend>
            {filters.map(([name, isMatch]) => (
              <label key={name}>
                <input
                  type="radio"
                  name="status"
                  checked={filter === name}
                  onChange={() => {
                    setFilter(name)
                    setPages(1)
                  }}
                />
                <span>
                  {name} {found.filter(isMatch).length}
                </span>
              </label>
            ))}
          </fieldset>
        </div>
      )}
      <ul class="jobs" aria-labelledby="jobs-title">
        {shown.map((job) => (
          <Card
            key={job.id}
            job={job}
            server={server}
            actions={actions}
            isNew={focused === job.id}
            onFocused={() => onFocus(null)}
            problem={problems.get(job.id) ?? null}
            linked={linkedOf(job, actions.promptOf)}
          />
        ))}
      </ul>
      {jobs.length > 0 && filtered.length === 0 ? <p class="empty">No job matches.</p> : null}
      {filtered.length === 0 ? null : (
        <p class="hint page-end">
          {filtered.length > pageSize || total > jobs.length
            ? `${shown.length} of ${filtered.length}${total > jobs.length ? `; the server has ${total}` : ""}`
            : ""}
          {shown.length < filtered.length ? (
            <button type="button" onClick={showMore}>
              Show {Math.min(pageSize, filtered.length - shown.length)} more
            </button>
          ) : null}
        </p>
      )}
    </section>
  )
}

/** Id of the job that the address names, if any. */
export const jobOfHash = (hash: string): string | null => {
  const name = decodeURIComponent(hash.slice(1))
  const prefix = anchorOf("")
  return name.startsWith(prefix) ? name.slice(prefix.length) : null
}
