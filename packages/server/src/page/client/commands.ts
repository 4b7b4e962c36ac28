/** A job as the request that makes it again: for the server, and for the command line. */
import type { JobView } from "../frames.js"
import { type Outcome, promptOf, type Server, submit } from "./server.js"

const quote = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`

export const baseUrlOf = ({ basePath }: Server): string => location.origin + basePath

const environment = (server: Server): ReadonlyArray<string> => [
  `OPENAI_BASE_URL=${baseUrlOf(server)}`,
  ...(server.dialect === "openai" ? [] : [`VIDEOS_DIALECT=${server.dialect}`])
]

/** Length of the new segment of an extension, else of the clip. */
const ownSeconds = ({ seconds, steps }: JobView): string => String(steps.at(-1)?.seconds ?? seconds)

const sourceId = ({ source }: JobView): string | null => (source?._tag === "Job" ? source.id : null)

/** Whether the same request can be sent again: its source still exists, and it had no file. */
export const isRepeatable = (job: JobView): boolean =>
  !job.hasUpload && (job.operation === "create" || sourceId(job) !== null)

/** Returns the command that makes the job, with the address of the server, as one line for a shell. */
export const commandOf = async (server: Server, job: JobView): Promise<string> => {
  const { model, operation, size } = job
  const prompt = await promptOf(job)
  const own =
    operation === "create"
      ? [prompt, "--seconds", ownSeconds(job), "--size", size, "--model", model]
      : [sourceId(job) ?? "clip.mp4", prompt, ...(operation === "extend" ? ["--seconds", ownSeconds(job)] : [])]
  return [...environment(server), "effect-videos", operation, ...own.map(quote)].join(" ")
}

/** Commands for a terminal while the server has no job. */
export const firstCommands = (server: Server): ReadonlyArray<string> => [
  `export ${environment(server).join(" ")}`,
  `effect-videos create "a lighthouse at dusk" -o clip.mp4`,
  `effect-videos extend clip.mp4 "it rains" --seconds 8${server.operations.includes("extend") ? "" : " --join"} -o long.mp4`
]

/** Sends the request of a job again. */
export const repeat = async (server: Server, job: JobView): Promise<Outcome> => {
  const prompt = await promptOf(job)
  const id = sourceId(job) ?? ""
  switch (job.operation) {
    case "create":
      return submit(server, "/videos", { prompt, seconds: ownSeconds(job), size: job.size, model: job.model })
    case "extend":
      return submit(server, "/videos/extensions", { video: { id }, prompt, seconds: ownSeconds(job) })
    case "edit":
      return submit(server, "/videos/edits", { video: { id }, prompt })
    case "remix":
      return submit(server, `/videos/${encodeURIComponent(id)}/remix`, { prompt })
  }
}
