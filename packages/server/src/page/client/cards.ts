/** A job's card: its state, its video, its kin, and a form to go on from it. */
import type { JobView } from "../frames.js"
import { make, part, setText, shape } from "./dom.js"
import { fileUrl } from "./server.js"

/** What a card asks of the page. */
export interface CardParts {
  /** The prompt of a job that has a card. */
  readonly promptOf: (id: string) => string | undefined
  /** `null` where the server does not extend. */
  readonly extend: ((id: string, prompt: string, seconds: string) => Promise<string | null>) | null
}

export interface Card {
  readonly node: HTMLElement
  readonly show: (view: JobView) => void
  readonly remove: () => void
}

const phases: { readonly [phase in JobView["phase"]]: string } = {
  queued: "Queued",
  in_progress: "Running",
  completed: "Completed",
  failed: "Failed",
  expired: "Expired"
}

/** What is where the video is not. */
const screens: { readonly [phase in Exclude<JobView["phase"], "completed">]: string } = {
  queued: "Waiting for its turn",
  in_progress: "Being made",
  failed: "No video",
  expired: "The files are gone"
}

const verbs: { readonly [operation in JobView["operation"]]: string } = {
  create: "Made from",
  extend: "Extends",
  remix: "Remix of",
  edit: "Edit of"
}

export const anchorOf = (id: string): string => `job-${id}`

const briefly = (text: string): string => (text.length > 40 ? `${text.slice(0, 38).trimEnd()} …` : text)

const timeLeft = (seconds: number): string => {
  const minutes = Math.floor(seconds / 60)
  return minutes === 0 ? `${seconds} s left` : `${minutes} min ${seconds % 60} s left`
}

/** Files are asked for when their card is seen: the server draws them then. */
const whenSeen = (node: Element, then: () => void): void => {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return
    observer.disconnect()
    then()
  })
  observer.observe(node)
}

const lengths = ["4", "8", "12", "16", "20"]

export const makeCard = (first: JobView, parts: CardParts): Card => {
  const { id } = first
  const titleId = `title-${id}`
  const title = make("h3", { id: titleId })
  const screen = make("div", { class: "screen" })
  const state = make("p", { class: "state" })
  const progress = make("progress", { max: "100", "aria-label": "Progress" })
  const facts = make("p", { class: "facts" })
  const source = make("p", { class: "ties" })
  const descendants = make("p", { class: "ties" })
  const error = make("p", { class: "problem" })
  const node = make("li", { id: anchorOf(id), class: "card", tabindex: "-1", "aria-labelledby": titleId })
  node.append(screen, state, progress, title, facts, make("code", {}, id), error, source, descendants)

  const urls = new Set<string>()
  const urlOf = async (variant: "video" | "thumbnail"): Promise<string> => {
    const url = await fileUrl(id, variant)
    if (url.startsWith("blob:")) urls.add(url)
    return url
  }

  const play = async (button: HTMLButtonElement, image: HTMLImageElement, prompt: string): Promise<void> => {
    setText(part(button, ".word", HTMLElement), "Preparing …")
    button.setAttribute("aria-disabled", "true")
    const video = make("video", { controls: "", playsinline: "", loop: "", "aria-label": prompt })
    if (image.src !== "") video.poster = image.src
    try {
      video.src = await urlOf("video")
      await new Promise((resolve, reject) => {
        video.addEventListener("loadeddata", resolve, { once: true })
        video.addEventListener("error", () => reject(new Error("The video could not be loaded")), { once: true })
        video.load()
      })
      const focused = document.activeElement === button
      screen.replaceChildren(video)
      if (focused) video.focus()
      await video.play()
    } catch (reason) {
      setText(error, reason instanceof Error ? reason.message : String(reason))
      setText(part(button, ".word", HTMLElement), "Play")
      button.removeAttribute("aria-disabled")
    }
  }

  const poster = (prompt: string): void => {
    const image = make("img", { alt: "" })
    const word = make("span", { class: "word" }, "Play")
    const button = make(
      "button",
      { type: "button", class: "play", "aria-label": `Play ${prompt}` },
      image,
      make("span", { class: "badge" }, shape("play"), word)
    )
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") void play(button, image, prompt)
    })
    screen.replaceChildren(button)
    image.hidden = true
    image.addEventListener("load", () => {
      image.hidden = false
    })
    whenSeen(screen, () => {
      urlOf("thumbnail").then(
        (url) => {
          image.src = url
        },
        // A card without a picture still plays.
        (reason) => console.warn(reason)
      )
    })
  }

  const extender = (extend: NonNullable<CardParts["extend"]>): void => {
    const promptId = `prompt-${id}`
    const secondsId = `seconds-${id}`
    const prompt = make("input", { id: promptId, required: "", maxlength: "32000", autocomplete: "off" })
    const seconds = make("select", { id: secondsId }, ...lengths.map((s) => make("option", { value: s }, `${s} s`)))
    seconds.value = "8"
    const problem = make("p", { class: "problem whole", role: "alert" })
    const send = make("button", { type: "submit" }, "Extend")
    const form = make(
      "form",
      { id: `extend-${id}`, class: "fields" },
      make("div", { class: "field whole" }, make("label", { for: promptId }, "What happens next"), prompt),
      make("div", { class: "field" }, make("label", { for: secondsId }, "Longer by"), seconds),
      send,
      problem
    )
    form.hidden = true
    const open = make("button", {
      type: "button",
      class: "quiet more",
      "aria-expanded": "false",
      "aria-controls": form.id,
      "aria-describedby": titleId
    })
    open.append("Extend …")
    const toggle = (shown: boolean): void => {
      form.hidden = !shown
      open.setAttribute("aria-expanded", String(shown))
    }
    open.addEventListener("click", () => {
      toggle(form.hidden !== false)
      if (!form.hidden) prompt.focus()
    })
    form.addEventListener("submit", async (event) => {
      event.preventDefault()
      if (send.disabled) return
      send.disabled = true
      setText(problem, "")
      const why = await extend(id, prompt.value, seconds.value)
      send.disabled = false
      setText(problem, why ?? "")
      if (why !== null) return
      prompt.value = ""
      toggle(false)
      open.focus()
    })
    node.append(open, form)
  }

  const link = (to: string): Node => {
    const prompt = parts.promptOf(to)
    return prompt === undefined
      ? document.createTextNode(to)
      : make("a", { href: `#${encodeURIComponent(anchorOf(to))}`, title: prompt }, briefly(prompt))
  }

  /** Rebuilt when it says something else only, so that no link is lost under a finger. */
  const setTies = (line: HTMLElement, words: string, ids: ReadonlyArray<string>): void => {
    const tie = JSON.stringify([words, ids.map((each) => [each, parts.promptOf(each)])])
    if (line.dataset.tie === tie) return
    line.dataset.tie = tie
    line.replaceChildren(words, ...ids.flatMap((each, at) => [at === 0 ? " " : " · ", link(each)]))
  }

  const showTies = ({ descendants: made, operation, source: from }: JobView): void => {
    const verb = verbs[operation]
    if (from === null) setTies(source, "", [])
    else if (from._tag === "Job") setTies(source, verb, [from.id])
    else setTies(source, from._tag === "Upload" ? `${verb} an uploaded clip` : `${verb} a deleted video`, [])
    setTies(descendants, made.length === 0 ? "" : "Source of", made)
  }

  const enter = ({ phase, prompt }: JobView): void => {
    node.dataset.phase = phase
    state.replaceChildren(shape(phase), make("span", { class: "word" }, phases[phase]), make("span", { class: "left" }))
    if (phase === "completed") {
      poster(prompt)
      if (parts.extend !== null) extender(parts.extend)
      return
    }
    screen.replaceChildren(screens[phase])
    node.querySelector(".more")?.remove()
    node.querySelector("form")?.remove()
  }

  return {
    node,
    show: (view) => {
      const { model, phase, progress: percent, prompt, seconds, secondsLeft, size } = view
      setText(title, prompt)
      title.title = prompt
      if (node.dataset.phase !== phase) enter(view)
      const left = secondsLeft === null ? "" : timeLeft(secondsLeft)
      setText(part(state, ".left", HTMLElement), phase === "in_progress" ? `${percent} % · ${left}` : left)
      progress.value = percent
      progress.hidden = secondsLeft === null
      setText(facts, `${seconds} s · ${size} · ${model}`)
      setText(error, view.error === null ? "" : [view.error.code, view.error.message].filter(Boolean).join(": "))
      showTies(view)
    },
    remove: () => {
      node.remove()
      for (const url of urls) URL.revokeObjectURL(url)
    }
  }
}
