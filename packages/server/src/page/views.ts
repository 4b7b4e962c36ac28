/** Jobs as the live page shows them: their state, what each comes from, and what came of it. */
import { isExpired, type Job, stateOf } from "../Jobs.js"
import type { JobView, Source } from "./frames.js"

const maxPrompt = 400

const beginning = (prompt: string): string => {
  const characters = [...prompt]
  return characters.length > maxPrompt ? `${characters.slice(0, maxPrompt).join("")} …` : prompt
}

/** The newest jobs, older ones first; ties to jobs that are not shown are told too. */
export const viewsOf = (all: ReadonlyArray<Job>, shown: number, now: number): ReadonlyArray<JobView> => {
  const byRecipe = new Map(all.map(({ id, recipe }) => [recipe.key, id]))
  const sourceOf = ({ recipe: { made } }: Job): Source | null => {
    if (made._tag === "Drawn" || made._tag === "Uploaded") return null
    if (made.source.made._tag === "Uploaded") return { _tag: "Upload" }
    const id = byRecipe.get(made.source.key)
    return id === undefined ? { _tag: "Deleted" } : { _tag: "Job", id }
  }
  const descendants = new Map<string, Array<string>>()
  for (const job of all) {
    const source = sourceOf(job)
    if (source?._tag !== "Job") continue
    const siblings = descendants.get(source.id)
    if (siblings === undefined) descendants.set(source.id, [job.id])
    else siblings.push(job.id)
  }
  return all.slice(-shown).map((job) => {
    const { fault, id, model, operation, prompt, recipe } = job
    const { phase, progress } = stateOf(job, now)
    return {
      id,
      operation,
      model,
      prompt: beginning(prompt),
      size: `${recipe.width}x${recipe.height}`,
      seconds: Math.round(recipe.seconds * 10) / 10,
      phase: phase === "completed" && isExpired(job, now) ? "expired" : phase,
      progress,
      secondsLeft: now < job.endsAt ? Math.ceil((job.endsAt - now) / 1000) : null,
      error: phase === "failed" ? fault : null,
      source: sourceOf(job),
      descendants: descendants.get(id) ?? []
    }
  })
}
