/**
 * Server of `bench/watch.ts` in a separate process: serves jobs that are functions of time, one at a time or in pages, and
 * counts the requests.
 */
import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"

/**
 * Jobs that are created over `stagger` milliseconds before the watch, and all start with it. They end between `run` and
 * `run + stagger` milliseconds later, in another order than their ids.
 */
export interface Jobs {
  readonly prefix: string
  readonly count: number
  /** Start of all jobs, in Unix milliseconds. */
  readonly startsAt: number
  readonly stagger: number
  readonly run: number
  /** The jobs are created and watched one after the other over so many milliseconds; 0: all before the watch. */
  readonly spread: number
}

/** When a job's watch begins, in Unix milliseconds. */
export const startOf = (jobs: Jobs, index: number): number => jobs.startsAt + (index / jobs.count) * jobs.spread

export const idOf = (jobs: Jobs, index: number): string => `${jobs.prefix}_${index}`

const runOf = (jobs: Jobs, index: number): number =>
  jobs.run + (((index * 7919) % jobs.count) / jobs.count) * jobs.stagger

export const endOf = (jobs: Jobs, index: number): number => startOf(jobs, index) + runOf(jobs, index)

export interface Counts {
  readonly requests: number
  readonly sockets: number
}

const pageSize = 100

/** Encodes a job as a server of the protocol does, with all fields. */
const write = (jobs: Jobs, index: number, now: number): string => {
  const begins = startOf(jobs, index)
  const created = Math.floor((jobs.spread > 0 ? begins : begins - (1 - index / jobs.count) * jobs.stagger) / 1000)
  const end = endOf(jobs, index)
  const done = now >= end
  const progress = done ? 100 : Math.max(0, Math.floor(((now - begins) / runOf(jobs, index)) * 100))
  return `{"id":"${idOf(jobs, index)}","object":"video","model":"sora-2","status":"${done ? "completed" : "in_progress"}","progress":${progress},"created_at":${created},"completed_at":${done ? Math.floor(end / 1000) : null},"expires_at":null,"prompt":"a lighthouse at dusk, waves below","size":"1280x720","seconds":"12","remixed_from_video_id":null,"error":null}`
}

/** How many jobs there are by now. A timer may fire within the millisecond before a job's begin. */
const createdCount = (jobs: Jobs, now: number): number =>
  jobs.spread === 0 || jobs.count === 0
    ? jobs.count
    : Math.max(0, Math.min(jobs.count, Math.floor(((now + 1 - jobs.startsAt) / jobs.spread) * jobs.count) + 1))

/** Returns a page of the list, newest first. */
const writePage = (jobs: Jobs, after: string | null, now: number): string => {
  const from = after === null ? createdCount(jobs, now) - 1 : indexOf(after) - 1
  const to = Math.max(0, from - pageSize + 1)
  const data: Array<string> = []
  for (let index = from; index >= to; index--) data.push(write(jobs, index, now))
  const id = (index: number) => (data.length === 0 ? "null" : `"${idOf(jobs, index)}"`)
  return `{"object":"list","data":[${data.join(",")}],"first_id":${id(from)},"last_id":${id(to)},"has_more":${data.length > 0 && to > 0}}`
}

const indexOf = (id: string): number => Number(id.slice(id.lastIndexOf("_") + 1))

/** `POST /jobs` (a `Jobs`) resets the server; `GET /counts` returns the counts; all other routes are the protocol. */
export const serve = () => {
  let jobs: Jobs = { prefix: "none", count: 0, startsAt: 0, stagger: 0, run: 0, spread: 0 }
  let requests = 0
  let sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const url = request.url ?? "/"
    const send = (status: number, body: string) =>
      response.writeHead(status, { "content-type": "application/json" }).end(body)
    if (url.startsWith("/v1/videos")) {
      requests++
      sockets.add(request.socket)
      const now = Date.now()
      if (url.startsWith("/v1/videos?")) {
        return send(200, writePage(jobs, new URLSearchParams(url.slice(11)).get("after"), now))
      }
      const id = url.slice("/v1/videos/".length)
      const index = indexOf(id)
      return idOf(jobs, index) === id && index < createdCount(jobs, now)
        ? send(200, write(jobs, index, now))
        : send(404, `{"error":{"message":"no such job","type":"invalid_request_error","param":null,"code":null}}`)
    }
    if (url === "/counts") return send(200, JSON.stringify({ requests, sockets: sockets.size } satisfies Counts))
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      jobs = JSON.parse(body)
      requests = 0
      sockets = new Set()
      send(200, "{}")
    })
    return
  })
  // Keeps idle connections open for clients that sleep long.
  server.keepAliveTimeout = 60_000
  server.listen({ port: 0, host: "127.0.0.1", backlog: 16_384 }, () =>
    process.send?.((server.address() as AddressInfo).port)
  )
  process.once("disconnect", () => process.exit(0))
}
