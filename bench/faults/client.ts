import type { End } from "./judge.js"

/** Where the server is, and who asks. */
export interface Access {
  readonly baseUrl: string
  readonly apiKey: string
  readonly organization: string
  readonly project: string
}

export interface Client {
  /** Gives the job's id. */
  readonly submit: (prompt: string) => Promise<string>
  /** Tells every status that it sees. */
  readonly watch: (id: string, status: (status: string) => void) => Promise<End>
  readonly list: (limit: number, job: (id: string) => void) => Promise<void>
  readonly download: (id: string, path: string) => Promise<void>
  /** Whether an error of a submission leaves open if a job was made. */
  readonly isOpen: (error: unknown) => boolean
  readonly close?: () => Promise<void>
}
