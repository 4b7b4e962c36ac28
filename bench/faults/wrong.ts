/** Clients that are wrong on purpose: a judge that accepts them is useless. */
import { writeFile } from "node:fs/promises"
import type { Access, Client } from "./client.js"

/** Succeeds always, and sends nothing. */
export const liar = (): Client => ({
  submit: async () => "video_1",
  watch: async (id, status) => {
    status("completed")
    return { id, outcome: "completed" }
  },
  list: async () => {},
  download: (_, path) => writeFile(path, ""),
  isOpen: () => false
})

/** Fails always, and sends nothing. */
export const quitter = (): Client => {
  const fail = async (): Promise<never> => {
    throw new Error("no")
  }
  return { submit: fail, watch: fail, list: fail, download: fail, isOpen: () => true }
}

/** Sends every request twice, and returns the first response. */
export const doubler =
  (open: (access: Access) => Client) =>
  (access: Access): Client => {
    const client = open(access)
    return {
      ...client,
      submit: async (prompt) => {
        const [first] = await Promise.all([client.submit(prompt), client.submit(prompt)])
        return first
      },
      list: async (limit, job) => {
        await client.list(limit, job)
        await client.list(limit, job)
      }
    }
  }
