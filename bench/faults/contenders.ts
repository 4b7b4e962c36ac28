/**
 * Clients of `bench/faults.ts`, as their users use them: with their defaults, except for timeouts, which are short and the same
 * for all.
 */
import { createWriteStream } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as sleep } from "node:timers/promises"
import type { Access, Client } from "./client.js"

export type { Access, Client } from "./client.js"

/** Loads the client library, and returns a function that makes a client for a server. */
export type Contender = () => Promise<(access: Access) => Client>

/** Timeout of one request, in milliseconds. */
const requestTimeout = 2000
/** Milliseconds between two polls. */
const interval = 250
/** Deadline of a watch or a download with retries, in milliseconds: four attempts can take 15 seconds of delays. */
const deadline = 25_000

const prompted = (prompt: string) => ({ prompt, seconds: "4" })

// -----------------------------------------------------------------------------
// by hand
// -----------------------------------------------------------------------------

interface Received {
  readonly status: number
  readonly json: () => Promise<unknown>
  readonly stream: () => Readable
}

/** Error status: the server has refused the request. */
class Refused extends Error {}

interface Job {
  readonly id: string
  readonly status: string
}

interface Page {
  readonly data: ReadonlyArray<Job>
  readonly has_more: boolean
  readonly last_id: string
}

/** Client by hand over a bare HTTP client: checks statuses, loops with a deadline, and does not retry. */
const byHand = (request: (method: string, path: string, body?: object) => Promise<Received>): Client => {
  const asked = async (method: string, path: string, body?: object): Promise<Received> => {
    const response = await request(method, path, body)
    if (response.status < 200 || response.status > 299) throw new Refused(`status ${response.status}`)
    return response
  }
  // Unchecked, like a cast.
  const read = async <A>(method: string, path: string, body?: object) =>
    (await (await asked(method, path, body)).json()) as A
  return {
    submit: async (prompt) => (await read<Job>("POST", "/videos", prompted(prompt))).id,
    watch: async (id, status) => {
      const end = Date.now() + deadline
      while (Date.now() < end) {
        const job = await read<Job>("GET", `/videos/${id}`)
        status(job.status)
        if (job.status === "completed" || job.status === "failed") return { id: job.id, outcome: job.status }
        await sleep(interval)
      }
      throw new Error("the deadline has passed")
    },
    list: async (limit, job) => {
      let after = ""
      for (;;) {
        const page = await read<Page>("GET", `/videos?limit=${limit}${after}`)
        for (const { id } of page.data) job(id)
        if (!page.has_more) return
        after = `&after=${page.last_id}`
      }
    },
    download: async (id, path) => {
      const response = await asked("GET", `/videos/${id}/content`)
      await pipeline(response.stream(), createWriteStream(path))
    },
    isOpen: (error) => !(error instanceof Refused)
  }
}

const identify = ({ apiKey, organization, project }: Access) => ({
  authorization: `Bearer ${apiKey}`,
  "openai-organization": organization,
  "openai-project": project
})

const jsonBody = (body: object | undefined) =>
  body === undefined ? undefined : { body: JSON.stringify(body), type: { "content-type": "application/json" } }

// -----------------------------------------------------------------------------
// the contenders
// -----------------------------------------------------------------------------

export const contenders: { readonly [name: string]: Contender } = {
  openai: async () => {
    const { default: OpenAI, APIConnectionError, APIError } = await import("openai")
    return ({ apiKey, baseUrl, organization, project }) => {
      const { videos } = new OpenAI({ apiKey, baseURL: baseUrl, organization, project, timeout: requestTimeout })
      return {
        submit: async (prompt) => (await videos.create({ prompt, seconds: "4" })).id,
        // The loop of OpenAI's guide, with a deadline.
        watch: async (id, status) => {
          const end = Date.now() + deadline
          let video = await videos.retrieve(id)
          status(video.status)
          while (video.status === "in_progress" || video.status === "queued") {
            if (Date.now() > end) throw new Error("the deadline has passed")
            await sleep(interval)
            video = await videos.retrieve(video.id)
            status(video.status)
          }
          return { id: video.id, outcome: video.status === "failed" ? "failed" : "completed" }
        },
        list: async (limit, job) => {
          for await (const { id } of videos.list({ limit })) job(id)
        },
        download: async (id, path) => {
          const { body } = await videos.downloadContent(id)
          if (body === null) throw new Error("no body")
          await pipeline(fromWeb(body), createWriteStream(path))
        },
        isOpen: (error) => error instanceof APIConnectionError || !(error instanceof APIError)
      }
    }
  },
  "bare fetch": async () => (access) =>
    byHand(async (method, path, given) => {
      const body = jsonBody(given)
      const response = await fetch(`${access.baseUrl}${path}`, {
        method,
        headers: { ...identify(access), ...body?.type },
        signal: AbortSignal.timeout(requestTimeout),
        ...(body === undefined ? {} : { body: body.body })
      })
      return {
        status: response.status,
        json: () => response.json(),
        stream: () => (response.body === null ? Readable.from([]) : fromWeb(response.body))
      }
    }),
  "bare undici": async () => {
    const { Agent } = await import("@effect/platform-node/Undici")
    return (access) => {
      const { origin, pathname } = new URL(access.baseUrl)
      const agent = new Agent({ connections: 64, headersTimeout: requestTimeout, bodyTimeout: requestTimeout })
      return {
        ...byHand(async (method, path, given) => {
          const body = jsonBody(given)
          const response = await agent.request({
            origin,
            path: `${pathname}${path}`,
            method: method === "POST" ? "POST" : "GET",
            headers: { ...identify(access), ...body?.type },
            ...(body === undefined ? {} : { body: body.body })
          })
          return {
            status: response.statusCode,
            json: async () => JSON.parse(await response.body.text()),
            stream: () => response.body
          }
        }),
        close: () => agent.destroy()
      }
    }
  },
  "effect-videos": async () => {
    const { makeOurs } = await import("./ours.js")
    return makeOurs({ requestTimeout, deadline, interval })
  }
}

/** The stream types of the web and of Node are declared separately. */
const fromWeb = (body: ReadableStream<Uint8Array>): Readable =>
  Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
