/** Parts that several views use: icons, texts, files, dialogs. */
import type { ComponentChildren } from "preact"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import { fileUrl, hasKey } from "./server.js"

const icons = {
  queued: <circle cx="8" cy="8" r="6" stroke-dasharray="3 2.2" />,
  in_progress: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 2a6 6 0 0 1 0 12z" class="solid" />
    </>
  ),
  completed: <path d="m3 8.5 3.3 3.3L13 4.7" />,
  failed: <path d="M8 2.2 14.5 13.5h-13zM8 6.4v3.4M8 11.4v.6" />,
  expired: <path d="M2.8 2.8h10.4v10.4H2.8zM5.5 8h5" />,
  play: <path d="M4.5 2.8v10.4L13 8z" class="solid" />,
  download: <path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11" />,
  copy: <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />,
  command: <path d="m3 4.5 3.5 3.5L3 11.5M8.5 12H13" />,
  requests: <path d="M2.5 4h11M2.5 8h11M2.5 12h11" />,
  remove: <path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9" />,
  retry: <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2v3.2H9.8" />,
  close: <path d="m3.5 3.5 9 9M12.5 3.5l-9 9" />
} as const

export type IconName = keyof typeof icons

export const Icon = ({ name }: { readonly name: IconName }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    {icons[name]}
  </svg>
)

interface IconButtonProps {
  readonly icon: IconName
  /** Name for screen readers, and the tooltip. */
  readonly name: string
  readonly describedBy?: string | undefined
  readonly onClick: () => void
}

export const IconButton = ({ describedBy, icon, name, onClick }: IconButtonProps) => (
  <button
    type="button"
    class="icon-button"
    aria-label={name}
    aria-describedby={describedBy}
    title={name}
    onClick={onClick}
  >
    <Icon name={icon} />
  </button>
)

interface CopyButtonProps {
  readonly name: string
  readonly icon?: IconName
  readonly describedBy?: string | undefined
  readonly text: () => string | Promise<string>
}

/** Copies a text, and shows for two seconds that it did. */
export const CopyButton = ({ describedBy, icon = "copy", name, text }: CopyButtonProps) => {
  const [result, setResult] = useState<string | null>(null)
  useEffect(() => {
    if (result === null) return
    const timer = setTimeout(() => setResult(null), 2000)
    return () => clearTimeout(timer)
  }, [result])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(await text())
      setResult("Copied")
    } catch {
      setResult("The browser copies only on https or localhost")
    }
  }
  return (
    <span class="copy">
      <IconButton
        icon={result === "Copied" ? "completed" : icon}
        name={name}
        describedBy={describedBy}
        onClick={copy}
      />
      <span class={result === null ? "unseen" : "bubble"} role="status">
        {result}
      </span>
    </span>
  )
}

/** Keeps the start of an id, which names its kind, and its end, which differs. */
export const shortId = (id: string): string => (id.length > 18 ? `${id.slice(0, 9)}…${id.slice(-6)}` : id)

export const shortText = (text: string, length = 40): string => {
  const characters = [...text]
  return characters.length > length
    ? `${characters
        .slice(0, length - 1)
        .join("")
        .trimEnd()}…`
    : text
}

export const clockTime = (at: number): string => new Date(at).toLocaleTimeString([], { hour12: false })

export const duration = (millis: number): string => {
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

export const fileSize = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`

/** URL of a file while the component is shown; `null` before, and if it cannot be loaded. */
export const useFile = (id: string | null, part: "video" | "poster") => {
  const [file, setFile] = useState<{ readonly url: string | null; readonly problem: string | null }>({
    url: null,
    problem: null
  })
  useEffect(() => {
    if (id === null) return
    let isShown = true
    let loaded: string | null = null
    const release = () => {
      if (loaded !== null && hasKey()) URL.revokeObjectURL(loaded)
    }
    fileUrl(id, part).then(
      (url) => {
        loaded = url
        if (isShown) setFile({ url, problem: null })
        else release()
      },
      (error) => isShown && setFile({ url: null, problem: String(error?.message ?? error) })
    )
    return () => {
      isShown = false
      release()
    }
  }, [id, part])
  return file
}

/** Picture of a job. A job without one still has a place. */
export const Poster = ({ id }: { readonly id: string | null }) => {
  const { url } = useFile(id, "poster")
  const [isBroken, setBroken] = useState(false)
  return url === null || isBroken ? null : <img src={url} alt="" loading="lazy" onError={() => setBroken(true)} />
}

interface DialogProps {
  readonly name: string
  readonly class?: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** Modal dialog. Escape, its button and a click beside it close it, and the browser returns the focus. */
export const Dialog = ({ children, class: className = "", name, onClose }: DialogProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  // Before the effects of what it contains, which set the focus: a hidden field takes none.
  useLayoutEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} class={className} aria-label={name} onClose={onClose} closedby="any">
      <div class="dialog-head">
        <h2>{name}</h2>
        <IconButton icon="close" name="Close" onClick={() => dialog.current?.close()} />
      </div>
      {children}
    </dialog>
  )
}
