/** The live page: shows what the server tells, and asks it for what its forms say. */
import type { Frames, JobView } from "../frames.js"
import { anchorOf, type Card, makeCard } from "./cards.js"
import { asList, byId, part, setText } from "./dom.js"
import { makeFaults } from "./faults.js"
import { makeRequests } from "./requests.js"
import { type Listener, listen, setKey, submit } from "./server.js"

const main = part(document, "main", HTMLElement)
const nav = part(document, "nav", HTMLElement)
const connection = byId("connection", HTMLElement)
const news = byId("news", HTMLElement)
const list = asList(byId("jobs", HTMLUListElement))
const keyForm = byId("key-form", HTMLFormElement)
const keyInput = byId("key", HTMLInputElement)
const createForm = byId("create-form", HTMLFormElement)

const showRules = makeFaults()
const requests = makeRequests()
const views = new Map<string, JobView>()
const cards = new Map<string, Card>()
let server: Frames["server"] | undefined
/** Whether the next jobs are all there are, after a connection that was made anew. */
let whole = true

const endings: { readonly [phase in JobView["phase"]]?: string } = {
  completed: "Completed",
  failed: "Failed",
  expired: "Expired"
}

const extend = async (id: string, prompt: string, seconds: string): Promise<string | null> =>
  server === undefined ? "Not connected" : submit(server, "/videos/extensions", { video: { id }, prompt, seconds })

const cardOf = (view: JobView): Card => {
  const made = makeCard(view, {
    promptOf: (id) => views.get(id)?.prompt,
    extend: server?.operations.includes("extend") ? extend : null
  })
  cards.set(view.id, made)
  list.prepend(made.node)
  return made
}

const drop = (id: string): void => {
  cards.get(id)?.remove()
  cards.delete(id)
  views.delete(id)
}

const showJobs = ({ changed, gone, total }: Frames["jobs"]): void => {
  const told: Array<string> = []
  if (whole) {
    const there = new Set(changed.map(({ id }) => id))
    for (const id of [...cards.keys()]) if (!there.has(id)) drop(id)
  }
  for (const id of gone) drop(id)
  for (const view of changed) {
    const before = views.get(view.id)?.phase
    const ending = endings[view.phase]
    if (!whole && before !== view.phase && ending !== undefined) told.push(`${ending}: ${view.prompt}`)
    views.set(view.id, view)
  }
  // All are known by now, so that links find their names.
  for (const view of changed) (cards.get(view.id) ?? cardOf(view)).show(view)
  whole = false
  const count = total === 0 ? "" : total === 1 ? "1 job" : `${total} jobs`
  setText(byId("jobs-count", HTMLElement), total > cards.size ? `the newest ${cards.size} of ${count}` : count)
  byId("jobs-none", HTMLElement).hidden = total > 0
  if (told.length > 0) setText(news, told.join(". "))
}

const showServer = (told: Frames["server"]): void => {
  server = told
  whole = true
  requests.clear()
  keyForm.hidden = true
  main.hidden = false
  nav.hidden = false
  setText(byId("where", HTMLElement), `${location.host}${told.dialect === "openai" ? "" : `, like ${told.dialect}`}`)
  setText(byId("base-url", HTMLElement), location.origin + told.basePath)
  createForm.hidden = !told.operations.includes("create")
}

const states: { readonly [state in "live" | "waiting"]: string } = {
  live: "Live",
  waiting: "Not connected, trying again"
}

const listener: Listener = {
  onFrame: (name, data) => {
    const frames = { [name]: data } as Partial<Frames>
    if (frames.server !== undefined) showServer(frames.server)
    if (frames.jobs !== undefined) showJobs(frames.jobs)
    if (frames.faults !== undefined) showRules(frames.faults)
    if (frames.requests !== undefined) requests.add(frames.requests)
  },
  onState: (state) => {
    connection.hidden = state === "locked"
    if (state === "locked") {
      const tried = keyInput.value !== ""
      main.hidden = true
      nav.hidden = true
      keyForm.hidden = false
      setText(byId("key-error", HTMLElement), tried ? "The server does not know this key." : "")
      keyInput.value = ""
      keyInput.focus()
      return
    }
    connection.dataset.state = state
    setText(connection, states[state])
  }
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault()
  setKey(keyInput.value)
  void listen(listener)
})

createForm.addEventListener("submit", async (event) => {
  event.preventDefault()
  const send = part(createForm, "button", HTMLButtonElement)
  const problem = part(createForm, ".problem", HTMLElement)
  if (server === undefined || send.disabled) return
  const text = (name: string): string => String(new FormData(createForm).get(name))
  send.disabled = true
  setText(problem, "")
  const fields = { prompt: text("prompt"), seconds: text("seconds"), size: text("size"), model: "sora-2" }
  const why = await submit(server, "/videos", fields)
  send.disabled = false
  setText(problem, why ?? "")
  if (why === null) byId("create-prompt", HTMLInputElement).value = ""
})

/** A card that is linked to is where the keyboard goes on. */
addEventListener("hashchange", () => {
  const id = decodeURIComponent(location.hash.slice(1))
  for (const key of cards.keys()) if (anchorOf(key) === id) cards.get(key)?.node.focus({ preventScroll: true })
})

void listen(listener)
