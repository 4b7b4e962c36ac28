/** Requests of the page to its server: the key, the events, the files, and requests of the protocol. */
import type { Fault } from "../../faults/model.js"
import type { Frames, JobView } from "../frames.js"
import { wordsOf } from "./kinds.js"

/** Kept only in this variable. */
let key = ""

export const setKey = (given: string): void => {
  key = given
}

export const hasKey = (): boolean => key !== ""

const headers = (): { [name: string]: string } => (key === "" ? {} : { authorization: `Bearer ${key}` })

// -----------------------------------------------------------------------------
// requests of the protocol
// -----------------------------------------------------------------------------

/** Outcome of a request: the id in its response, or why it failed, for people. */
export type Outcome =
  | { readonly ok: true; readonly id: string | null }
  | { readonly ok: false; readonly problem: string }

const failed = (problem: string): Outcome => ({ ok: false, problem })

/** Reads the reason from an error body of the protocol, or of one of the imitated servers. */
const reasonOf = async (response: Response): Promise<string> => {
  const status = `The server responded with ${response.status}`
  try {
    const body = await response.json()
    const reason = body?.error?.message ?? body?.message ?? body?.detail
    return typeof reason === "string" ? `${status}: ${reason}` : status
  } catch {
    return `${status}, and a body that is not JSON`
  }
}

/** A fault of the server is to send no response. */
const timeoutMillis = 30_000

const outcomeOf = async (request: Promise<Response>): Promise<Outcome> => {
  try {
    const response = await request
    if (!response.ok) return failed(await reasonOf(response))
    const body = await response.json()
    const id = body?.id ?? body?.task_id
    return { ok: true, id: typeof id === "string" ? id : null }
  } catch (error) {
    if (error instanceof SyntaxError) return failed("The response is not JSON")
    return error instanceof DOMException && error.name === "TimeoutError"
      ? failed(`No response in ${timeoutMillis / 1000} s`)
      : failed("The connection broke before the whole response")
  }
}

const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { ...headers(), "content-type": "application/json" },
  body: JSON.stringify(body)
})

interface Observer {
  readonly since: number
  readonly method: string
  readonly path: string
  readonly report: (fault: Fault) => void
}

let lastNumber = -1
const observers = new Set<Observer>()

/** Reports faults to the requests in flight. */
const observeRequests = (records: Frames["requests"]): void => {
  for (const { fault, method, number, path } of records) {
    lastNumber = Math.max(lastNumber, number)
    if (fault === null) continue
    for (const observer of observers) {
      if (number > observer.since && method === observer.method && path === observer.path) observer.report(fault)
    }
  }
}

const delay = (millis: number): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), millis))

/** Sends a request of the protocol. If it fails because of a fault that is on, the problem names the fault. */
const send = async (path: string, init: RequestInit): Promise<Outcome> => {
  const observer = { since: lastNumber, method: init.method ?? "GET", path, report: (_: Fault) => {} }
  const fault = new Promise<Fault>((resolve) => {
    observer.report = resolve
  })
  observers.add(observer)
  const hang = new AbortController()
  // A response that never comes is not waited for.
  void fault.then(({ _tag }) => {
    if (_tag === "Hang") setTimeout(() => hang.abort(), 1000)
  })
  const signal = AbortSignal.any([hang.signal, AbortSignal.timeout(timeoutMillis)])
  try {
    const outcome = await outcomeOf(fetch(path, { ...init, signal }))
    if (outcome.ok) return outcome
    const cause = await Promise.race([fault, delay(1000)])
    if (cause === null) return outcome
    const problem = cause._tag === "Hang" ? "No response" : outcome.problem.replace(/\.$/, "")
    return failed(`${problem}. The fault “${wordsOf(cause)}” caused this: it is switched on under Faults.`)
  } finally {
    observers.delete(observer)
  }
}

type Fields = { readonly [name: string]: string | { readonly [name: string]: string } }

export type Server = Frames["server"]

export const submit = ({ basePath, forms }: Server, path: string, fields: Fields): Promise<Outcome> => {
  if (!forms) return send(basePath + path, json("POST", fields))
  const body = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    body.append(name, typeof value === "string" ? value : JSON.stringify(value))
  }
  return send(basePath + path, { method: "POST", headers: headers(), body })
}

/** `keepalive`: also while the page closes. */
export const deleteJob = ({ basePath }: Server, id: string): Promise<Outcome> =>
  send(`${basePath}/videos/${encodeURIComponent(id)}`, { method: "DELETE", headers: headers(), keepalive: true })

/** Replaces all rules. */
export const setRules = (rules: ReadonlyArray<unknown>): Promise<Outcome> =>
  outcomeOf(fetch("/_faults", { ...json("PUT", { rules }), signal: AbortSignal.timeout(timeoutMillis) }))

// -----------------------------------------------------------------------------
// files
// -----------------------------------------------------------------------------

const pathOf = (id: string, part: "video" | "poster" | "prompt"): string =>
  `/_page/videos/${encodeURIComponent(id)}/${part}`

const load = async (path: string): Promise<Response> => {
  const response = await fetch(path, { headers: headers() })
  if (!response.ok) throw new Error(await reasonOf(response))
  return response
}

/**
 * Returns a URL of a file of a job. An element cannot send a key; with one, the file is read whole, and the caller releases
 * the URL with `URL.revokeObjectURL`.
 */
export const fileUrl = async (id: string, part: "video" | "poster"): Promise<string> =>
  key === "" ? pathOf(id, part) : URL.createObjectURL(await (await load(pathOf(id, part))).blob())

export const promptOf = async ({ id, isPromptTruncated, prompt }: JobView): Promise<string> =>
  isPromptTruncated ? (await load(pathOf(id, "prompt"))).text() : prompt

// -----------------------------------------------------------------------------
// events
// -----------------------------------------------------------------------------

export interface Listener {
  readonly onFrame: (frame: Partial<Frames>) => void
  readonly onState: (state: "live" | "waiting" | "locked") => void
}

const minWait = 500
const maxWait = 10_000
/** Three heartbeats of the server. */
const maxSilence = 45_000

/** Reads events, and connects again when the connection ends. Returns if the server needs another key. */
export const listen = async (listener: Listener): Promise<void> => {
  let wait = minWait
  while (true) {
    const connection = new AbortController()
    let timer = setTimeout(() => connection.abort(), maxSilence)
    try {
      const response = await fetch("/_events", { headers: headers(), signal: connection.signal })
      if (response.status === 401) return listener.onState("locked")
      if (response.ok && response.body !== null) {
        const onEvent = (name: keyof Frames, data: unknown): void => {
          const frame: Partial<Frames> = { [name]: data }
          if (frame.server !== undefined) lastNumber = -1
          if (frame.requests !== undefined) observeRequests(frame.requests)
          listener.onState("live")
          listener.onFrame(frame)
        }
        await readEvents(response.body, onEvent, () => {
          wait = minWait
          clearTimeout(timer)
          timer = setTimeout(() => connection.abort(), maxSilence)
        })
      }
    } catch (error) {
      // The page shows below that the server is not connected.
      console.warn(error)
    } finally {
      clearTimeout(timer)
      connection.abort()
    }
    listener.onState("waiting")
    await delay(wait)
    wait = Math.min(maxWait, wait * 2)
  }
}

/** Each event is a line with its name, a line with its data, and an empty line. `EventSource` cannot send a key. */
const readEvents = async (
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onEvent: (name: keyof Frames, data: unknown) => void,
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
      if (name !== undefined && data !== undefined) onEvent(name as keyof Frames, JSON.parse(data))
    }
  }
}
