import type { End } from "./judge.js"

/** URL of the server, and credentials of the caller. */
export interface Access {
  readonly baseUrl: string
  readonly apiKey: string
  readonly organization: string
  readonly project: string
}

export interface Client {
  /** Returns the id of the job. */
  readonly submit: (prompt: string) => Promise<string>
  /** Emits every status. */
  readonly watch: (id: string, status: (status: string) => void) => Promise<End>
  readonly list: (limit: number, job: (id: string) => void) => Promise<void>
  readonly download: (id: string, path: string) => Promise<void>
  /** Whether an error of a submission means an unknown outcome. */
  readonly isOpen: (error: unknown) => boolean
  readonly close?: () => Promise<void>
}
