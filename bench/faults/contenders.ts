/**
 * The clients of `bench/faults.ts`, each as its users use it: with its defaults, but for time-outs, which are the same for
 * all and short.
 */
import { createWriteStream } from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as sleep } from "node:timers/promises"
import type { Access, Client } from "./client.js"

export type { Access, Client } from "./client.js"

/** Loads what it needs, and gives a client per server. */
export type Contender = () => Promise<(access: Access) => Client>

/** For one request. */
const requestTimeout = 2000
/** Between two looks. */
const interval = 250
/** For a whole watch, or a download that would go on trying: four tries in a row may be 15 seconds apart in all. */
const deadline = 25_000

const prompted = (prompt: string) => ({ prompt, seconds: "4" })

// -----------------------------------------------------------------------------
// by hand
// -----------------------------------------------------------------------------

interface Answer {
  readonly status: number
  readonly json: () => Promise<unknown>
  readonly stream: () => Readable
}

/** A status that is no success, which says that the request was refused. */
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

/** What people write over a bare client: statuses looked at, loops with a deadline, and no retries. */
const byHand = (request: (method: string, path: string, body?: object) => Promise<Answer>): Client => {
  const asked = async (method: string, path: string, body?: object): Promise<Answer> => {
    const answer = await request(method, path, body)
    if (answer.status < 200 || answer.status > 299) throw new Refused(`status ${answer.status}`)
    return answer
  }
  // As trusting as a cast is.
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
      throw new Error("the time is over")
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
      const answer = await asked("GET", `/videos/${id}/content`)
      await pipeline(answer.stream(), createWriteStream(path))
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
        // The loop of OpenAI's guide, and a deadline.
        watch: async (id, status) => {
          const end = Date.now() + deadline
          let video = await videos.retrieve(id)
          status(video.status)
          while (video.status === "in_progress" || video.status === "queued") {
            if (Date.now() > end) throw new Error("the time is over")
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
          const answer = await agent.request({
            origin,
            path: `${pathname}${path}`,
            method: method === "POST" ? "POST" : "GET",
            headers: { ...identify(access), ...body?.type },
            ...(body === undefined ? {} : { body: body.body })
          })
          return {
            status: answer.statusCode,
            json: async () => JSON.parse(await answer.body.text()),
            stream: () => answer.body
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

/** The web's stream type and Node's are declared apart. */
const fromWeb = (body: ReadableStream<Uint8Array>): Readable =>
  Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
