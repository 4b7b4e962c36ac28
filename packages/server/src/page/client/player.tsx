/** Dialogs of a job: its video, and the form that extends it. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { JobView } from "../frames.js"
import type { CardActions } from "./card.js"
import { Chain, startOf } from "./chain.js"
import { type Server, submit } from "./server.js"
import { Dialog, Poster, useFile } from "./ui.js"

interface PlayerProps {
  readonly job: JobView
  /** Step of the chain from which the video plays. */
  readonly step: number
  readonly canExtend: boolean
  readonly actions: CardActions
  readonly onClose: () => void
}

export const Player = ({ actions, canExtend, job, onClose, step }: PlayerProps) => {
  const { id, prompt, seconds, size, steps } = job
  const { problem, url } = useFile(id, "video")
  const [state, setState] = useState<"loading" | "ready" | "broken">("loading")
  const [current, setCurrent] = useState(step)
  const video = useRef<HTMLVideoElement>(null)
  const seek = (to: number) => {
    setCurrent(to)
    if (video.current === null) return
    video.current.currentTime = startOf(steps, to)
    // A browser that does not start a video shows its controls.
    video.current.play().catch(() => {})
  }
  return (
    <Dialog name={prompt} class="player" onClose={onClose}>
      <div class="stage">
        {/* biome-ignore lint/a11y/useMediaCaption: the clips have no sound. */}
        <video
          ref={video}
          src={url ?? undefined}
          controls
          playsInline
          aria-label={prompt}
          hidden={state !== "ready"}
          onLoadedMetadata={() => {
            setState("ready")
            seek(step)
          }}
          onError={() => setState("broken")}
          onTimeUpdate={({ currentTarget: { currentTime } }) =>
            setCurrent(Math.max(0, steps.filter((_, index) => currentTime >= startOf(steps, index) - 0.05).length - 1))
          }
        />
        {state === "loading" && problem === null ? (
          <>
            <Poster id={id} />
            <span class="badge" role="status">
              Preparing the video …
            </span>
          </>
        ) : null}
        {state === "broken" || problem !== null ? (
          <p class="problem" role="alert">
            {problem ?? "The video could not be loaded"}
          </p>
        ) : null}
      </div>
      {steps.length > 1 ? <Chain steps={steps} actions={actions} onStep={seek} current={current} /> : null}
      <div class="actions">
        {canExtend ? (
          <button type="button" onClick={() => actions.extend(id)}>
            Extend
          </button>
        ) : null}
        <p class="facts">{`${seconds} s · ${size}`}</p>
      </div>
    </Dialog>
  )
}

interface ExtendProps {
  readonly job: JobView
  readonly server: Server
  /** The id of the new job. */
  readonly onMade: (id: string | null) => void
  readonly onClose: () => void
}

export const lengths = ["4", "8", "12", "16", "20"]

export const Extend = ({ job, onClose, onMade, server }: ExtendProps) => {
  const [problem, setProblem] = useState<string | null>(null)
  const [isSending, setSending] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])
  const send = async (form: HTMLFormElement) => {
    if (isSending) return
    const fields = new FormData(form)
    setSending(true)
    setProblem(null)
    const outcome = await submit(server, "/videos/extensions", {
      video: { id: job.id },
      prompt: String(fields.get("prompt")),
      seconds: String(fields.get("seconds"))
    })
    setSending(false)
    if (outcome.ok) onMade(outcome.id)
    else setProblem(outcome.problem)
  }
  return (
    <Dialog name={`Extend ${job.prompt}`} class="narrow" onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault()
          void send(event.currentTarget)
        }}
      >
        <div class="field whole">
          <label for="extend-prompt">What happens next</label>
          <input ref={input} id="extend-prompt" name="prompt" required maxLength={32000} autoComplete="off" />
        </div>
        <div class="field">
          <label for="extend-seconds">Longer by</label>
          <select id="extend-seconds" name="seconds" defaultValue="8">
            {lengths.map((seconds) => (
              <option key={seconds} value={seconds} selected={seconds === "8"}>
                {seconds} s
              </option>
            ))}
          </select>
        </div>
        <button type="submit" aria-disabled={isSending}>
          {isSending ? "Sending …" : "Extend"}
        </button>
        {problem === null ? null : (
          <p class="problem whole" role="alert">
            {problem}
          </p>
        )}
      </form>
    </Dialog>
  )
}
