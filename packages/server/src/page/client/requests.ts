/** The last requests, the newest first, and what went wrong with them on purpose. */
import type { LogEntry } from "../../faults/model.js"
import type { Frames } from "../frames.js"
import { asList, byId, make, shape } from "./dom.js"
import { wordsOf } from "./kinds.js"

const shown = 40

const row = ({ at, fault, method, path }: LogEntry): HTMLElement => {
  const date = new Date(at)
  const time = make(
    "time",
    { class: "mono", datetime: date.toISOString() },
    date.toLocaleTimeString([], { hour12: false })
  )
  const item = make("li", {}, time, make("span", { class: "mono" }, `${method} ${path}`))
  if (fault !== null) item.append(make("span", { class: "fault" }, shape("failed"), `Fault: ${wordsOf(fault)}`))
  return item
}

export interface Requests {
  readonly add: (entries: Frames["requests"]) => void
  readonly clear: () => void
}

export const makeRequests = (): Requests => {
  const list = asList(byId("requests", HTMLOListElement))
  const none = byId("requests-none", HTMLElement)
  return {
    add: (entries) => {
      for (const entry of entries) list.prepend(row(entry))
      while (list.children.length > shown) list.lastElementChild?.remove()
      none.hidden = list.children.length > 0
    },
    clear: () => list.replaceChildren()
  }
}
