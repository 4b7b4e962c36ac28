/** Card of a job: its poster, its state, its chain, and what can be done with it. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { JobView } from "../frames.js"
import { Chain } from "./chain.js"
import { commandOf, isRepeatable } from "./commands.js"
import { fileUrl, type Server } from "./server.js"
import { phaseNames } from "./state.js"
import { CopyButton, clockTime, duration, fileSize, Icon, IconButton, Poster, shortId, shortText } from "./ui.js"

export interface CardActions {
  readonly play: (id: string, step: number) => void
  readonly extend: (id: string) => void
  readonly retry: (id: string) => Promise<string | null>
  readonly remove: (id: string) => void
  readonly showRequests: (id: string) => void
  readonly promptOf: (id: string) => string | undefined
}

interface CardProps {
  readonly job: JobView
  readonly server: Server
  readonly actions: CardActions
  /** Whether the card takes the focus when it appears. */
  readonly isNew: boolean
  readonly onFocused: () => void
  /** Why the last action failed. */
  readonly problem: string | null
  /** Prompts of linked jobs, so that the card changes with them. */
  readonly linked: string
}

/** Instead of a poster. */
const absent: { readonly [phase in Exclude<JobView["phase"], "completed">]: string } = {
  queued: "Waiting",
  in_progress: "Being made",
  failed: "No video",
  expired: "The files have expired"
}

const verbs: { readonly [operation in JobView["operation"]]: string } = {
  create: "Made from",
  extend: "Extends",
  remix: "Remix of",
  edit: "Edit of"
}

export const anchorOf = (id: string): string => `job-${id}`

export const hasEnded = ({ phase }: JobView): boolean => phase !== "queued" && phase !== "in_progress"

const download = async (id: string): Promise<void> => {
  const url = await fileUrl(id, "video")
  const link = document.createElement("a")
  link.href = url
  link.download = `${id.replace(/[^\w.-]/g, "_")}.mp4`
  link.click()
  if (url.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

const Links = ({ actions, ids, words }: { actions: CardActions; ids: ReadonlyArray<string>; words: string }) => (
  <p class="ties">
    {words}
    {ids.map((id, index) => {
      const prompt = actions.promptOf(id)
      return (
        <span key={id}>
          {index === 0 ? " " : " · "}
          {prompt === undefined ? (
            shortId(id)
          ) : (
            <a href={`#${encodeURIComponent(anchorOf(id))}`}>{shortText(prompt)}</a>
          )}
        </span>
      )
    })}
  </p>
)

const Source = ({ actions, job }: { readonly actions: CardActions; readonly job: JobView }) => {
  const { operation, source } = job
  if (source === null) return null
  const verb = verbs[operation]
  if (source._tag === "Job") return <Links actions={actions} ids={[source.id]} words={verb} />
  return (
    <Links
      actions={actions}
      ids={[]}
      words={`${verb} ${source._tag === "Upload" ? "an uploaded clip" : "a deleted video"}`}
    />
  )
}

const State = ({ job }: { readonly job: JobView }) => {
  const { createdAt, elapsedMillis, phase, progress, secondsLeft } = job
  const left = secondsLeft === null ? "" : `${duration(secondsLeft * 1000)} left`
  return (
    <>
      <p class="state">
        <Icon name={phase} />
        {phaseNames[phase]}
        <span class="left">{phase === "in_progress" ? `${progress} % · ${left}` : left}</span>
      </p>
      {secondsLeft === null ? null : <progress max={100} value={progress} aria-label="Progress" />}
      <p class="facts">
        <time dateTime={new Date(createdAt).toISOString()}>{clockTime(createdAt)}</time>
        {hasEnded(job) ? `, took ${duration(elapsedMillis)}` : `, for ${duration(elapsedMillis)}`}
      </p>
    </>
  )
}

const CardView = ({ actions, isNew, job, onFocused, problem, server }: CardProps) => {
  const { bytes, descendants, error, id, model, phase, prompt, seconds, size, steps } = job
  const node = useRef<HTMLLIElement>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    if (!isNew) return
    node.current?.focus()
    onFocused()
  }, [isNew])
  const [width = 16, height = 9] = size.split("x").map(Number)
  const titleId = `title-${id}`
  const isDone = phase === "completed"
  const canDelete = server.operations.includes("delete") && (server.cancels || hasEnded(job))
  const run = (action: Promise<unknown>) => {
    setFailure(null)
    action.then(
      (result) => setFailure(typeof result === "string" ? result : null),
      (reason) => setFailure(String(reason?.message ?? reason))
    )
  }
  return (
    <li
      ref={node}
      id={anchorOf(id)}
      class="card"
      data-phase={phase}
      data-shape={height > width ? "portrait" : "landscape"}
      tabIndex={-1}
      aria-labelledby={titleId}
    >
      <div class="screen">
        {phase === "completed" ? (
          <button
            type="button"
            class="play"
            aria-label={`Play ${prompt}, ${seconds} s`}
            onClick={() => actions.play(id, 0)}
          >
            <Poster id={id} />
            <span class="badge">
              <Icon name="play" />
              {seconds} s
            </span>
          </button>
        ) : (
          absent[phase]
        )}
      </div>
      <div class="about">
        <State job={job} />
        <h3 id={titleId} title={prompt}>
          {prompt}
        </h3>
        <p class="facts">
          {`${seconds} s · ${size} · ${model}`}
          {bytes === null ? "" : ` · ${fileSize(bytes)}`}
        </p>
        <p class="id">
          <code title={id}>{shortId(id)}</code>
          <CopyButton name="Copy id" describedBy={titleId} text={() => id} />
        </p>
      </div>
      <div class="more">
        {error === null ? null : <p class="problem">{[error.code, error.message].filter(Boolean).join(": ")}</p>}
        {steps.length > 1 && isDone ? (
          <Chain steps={steps} actions={actions} onStep={(step) => actions.play(id, step)} />
        ) : null}
        <Source actions={actions} job={job} />
        {descendants.length === 0 ? null : <Links actions={actions} ids={descendants} words="Source of" />}
        {(problem ?? failure) === null ? null : (
          <p class="problem" role="alert">
            {problem ?? failure}
          </p>
        )}
      </div>
      <div class="actions">
        {isDone && server.operations.includes("extend") ? (
          <button type="button" aria-describedby={titleId} onClick={() => actions.extend(id)}>
            Extend
          </button>
        ) : null}
        {phase === "failed" && isRepeatable(job) ? (
          <button type="button" aria-describedby={titleId} onClick={() => run(actions.retry(id))}>
            <Icon name="retry" />
            Retry
          </button>
        ) : null}
        {isDone ? (
          <IconButton icon="download" name="Download" describedBy={titleId} onClick={() => run(download(id))} />
        ) : null}
        <CopyButton
          icon="command"
          name="Copy the command line"
          describedBy={titleId}
          text={() => commandOf(server, job)}
        />
        <IconButton
          icon="requests"
          name="Show its requests"
          describedBy={titleId}
          onClick={() => actions.showRequests(id)}
        />
        {canDelete ? (
          <IconButton icon="remove" name="Delete" describedBy={titleId} onClick={() => actions.remove(id)} />
        ) : null}
      </div>
    </li>
  )
}

/** Draws again only if its job or its links change: four events a second arrive while jobs run. */
export const Card = (props: CardProps) =>
  useMemo(() => <CardView {...props} />, [props.job, props.server, props.linked, props.problem, props.isNew])
