/** The page's line to its server: the key, the events, the files, and requests to the protocol. */
import type { Frames } from "../frames.js"

type Fields = { readonly [name: string]: string | { readonly [name: string]: string } }

/** Nowhere but in this variable. */
let key = ""

export const setKey = (given: string): void => {
  key = given
}

const headers = (): { [name: string]: string } => (key === "" ? {} : { authorization: `Bearer ${key}` })

/** Why a request did not do what it should, for people; `null` where it did. */
type Problem = string | null

/** What an answer that is no success says: the protocol's errors, or those of the servers that are imitated. */
const reasonOf = async (response: Response): Promise<string> => {
  const said = `The server answered ${response.status}`
  try {
    const body = await response.json()
    const reason = body?.error?.message ?? body?.message ?? body?.detail
    return typeof reason === "string" ? `${said}: ${reason}` : said
  } catch {
    return `${said}, with a body that is no JSON`
  }
}

/** For a submission that is not answered: the server may be told not to. */
const submissionMillis = 30_000

const problemOf = async (request: Promise<Response>): Promise<Problem> => {
  try {
    const response = await request
    if (!response.ok) return await reasonOf(response)
    await response.json()
    return null
  } catch (error) {
    if (error instanceof SyntaxError) return "The server answered with something that is no JSON"
    return error instanceof DOMException && error.name === "TimeoutError"
      ? `No answer came in ${submissionMillis / 1000} seconds`
      : "No whole answer came: the connection was lost"
  }
}

const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { ...headers(), "content-type": "application/json" },
  body: JSON.stringify(body),
  signal: AbortSignal.timeout(submissionMillis)
})

/** A submission, as any client of the protocol makes it. */
export const submit = ({ basePath, forms }: Frames["server"], path: string, fields: Fields): Promise<Problem> => {
  if (!forms) return problemOf(fetch(basePath + path, json("POST", fields)))
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, typeof value === "string" ? value : JSON.stringify(value))
  }
  const signal = AbortSignal.timeout(submissionMillis)
  return problemOf(fetch(basePath + path, { method: "POST", headers: headers(), body: form, signal }))
}

/** These rules and no others. */
export const setRules = (rules: ReadonlyArray<unknown>): Promise<Problem> =>
  problemOf(fetch("/_faults", json("PUT", { rules })))

/**
 * An address to show a job's file from. With a key the file is fetched whole, because an element cannot send one; whoever
 * asked for it lets go of it with `URL.revokeObjectURL`.
 */
export const fileUrl = async (id: string, variant: "video" | "thumbnail"): Promise<string> => {
  const path = `/_page/videos/${encodeURIComponent(id)}/${variant}`
  if (key === "") return path
  const response = await fetch(path, { headers: headers() })
  if (!response.ok) throw new Error(await reasonOf(response))
  return URL.createObjectURL(await response.blob())
}

/** What becomes of the connection. */
export interface Listener {
  readonly onFrame: <Name extends keyof Frames>(name: Name, data: Frames[Name]) => void
  readonly onState: (state: "live" | "waiting" | "locked") => void
}

const leastWait = 500
const mostWait = 10_000
/** Three heartbeats of the server's. */
const patience = 45_000

/** Reads events until the connection ends, and then connects again; only a server that wants another key ends it. */
export const listen = async (listener: Listener): Promise<void> => {
  let wait = leastWait
  while (true) {
    const connection = new AbortController()
    let timer = setTimeout(() => connection.abort(), patience)
    try {
      const response = await fetch("/_events", { headers: headers(), signal: connection.signal })
      if (response.status === 401) return listener.onState("locked")
      if (response.ok && response.body !== null) {
        await readEvents(
          response.body,
          (name, data) => {
            listener.onState("live")
            listener.onFrame(name, data)
          },
          () => {
            wait = leastWait
            clearTimeout(timer)
            timer = setTimeout(() => connection.abort(), patience)
          }
        )
      }
    } catch (error) {
      // The server is gone, or the way to it: the page says so below, and tries again.
      console.warn(error)
    } finally {
      clearTimeout(timer)
      connection.abort()
    }
    listener.onState("waiting")
    await new Promise((resolve) => setTimeout(resolve, wait))
    wait = Math.min(mostWait, wait * 2)
  }
}

/**
 * The server's events are one line with a name and one with the data, each ended by an empty line; its comments are
 * lines that begin with a colon. `EventSource` would read them too, but sends no key.
 */
const readEvents = async (
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onEvent: (name: keyof Frames, data: never) => void,
  onBytes: () => void
): Promise<void> => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ""
  while (true) {
    const { done, value } = await reader.read()
    if (done) return
    onBytes()
    const blocks = (pending + value).split("\n\n")
    pending = blocks.pop() ?? ""
    for (const block of blocks) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
      if (name !== undefined && data !== undefined) onEvent(name as keyof Frames, JSON.parse(data) as never)
    }
  }
}
