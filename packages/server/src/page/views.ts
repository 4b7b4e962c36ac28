/** Jobs as the live page shows them: state, source, chain of extensions, and derived jobs. */
import type { ClipFiles } from "../clipFiles.js"
import { isExpired, type Job, stateOf } from "../Jobs.js"
import { type Recipe, uploadOf } from "../recipe.js"
import type { JobView, Source, Step } from "./frames.js"

const maxPrompt = 400

const beginning = (prompt: string) => {
  const characters = [...prompt]
  const isPromptTruncated = characters.length > maxPrompt
  return { isPromptTruncated, prompt: isPromptTruncated ? `${characters.slice(0, maxPrompt).join("")} …` : prompt }
}

const tenths = (seconds: number): number => Math.round(seconds * 10) / 10

/** Returns views of the newest jobs, oldest first. Links to jobs that are not shown are included. */
export const viewsOf = (
  all: ReadonlyArray<Job>,
  shown: number,
  now: number,
  { bytesOf }: Pick<ClipFiles, "bytesOf">
): ReadonlyArray<JobView> => {
  const byRecipe = new Map(all.map(({ id, recipe }) => [recipe.key, id]))
  const sourceOf = ({ recipe: { made } }: Job): Source | null => {
    if (made._tag === "Drawn" || made._tag === "Uploaded") return null
    if (made.source.made._tag === "Uploaded") return { _tag: "Upload" }
    const id = byRecipe.get(made.source.key)
    return id === undefined ? { _tag: "Deleted" } : { _tag: "Job", id }
  }
  const stepsOf = (recipe: Recipe): ReadonlyArray<Step> => {
    const { key, made, seconds } = recipe
    const own = { id: byRecipe.get(key) ?? null, seconds: tenths(made._tag === "Extended" ? made.seconds : seconds) }
    return made._tag === "Extended" ? [...stepsOf(made.source), own] : [own]
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
      ...beginning(prompt),
      size: `${recipe.width}x${recipe.height}`,
      seconds: tenths(recipe.seconds),
      phase: phase === "completed" && isExpired(job, now) ? "expired" : phase,
      progress,
      secondsLeft: now < job.endsAt ? Math.ceil((job.endsAt - now) / 1000) : null,
      createdAt: job.createdAt,
      elapsedMillis: now < job.endsAt ? Math.floor((now - job.createdAt) / 1000) * 1000 : job.endsAt - job.createdAt,
      bytes: bytesOf(recipe),
      error: phase === "failed" ? fault : null,
      source: sourceOf(job),
      steps: recipe.made._tag === "Extended" ? stepsOf(recipe) : [],
      hasUpload: uploadOf(recipe) !== null || (recipe.made._tag === "Drawn" && recipe.made.label !== undefined),
      descendants: descendants.get(id) ?? []
    }
  })
}
