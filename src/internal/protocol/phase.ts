/** What a status word means, in any case and with `-` or spaces for `_`. */

/** @internal */
export type Phase = "waiting" | "running" | "succeeded" | "failed"

// The words of the servers that people run, as read in their sources in November 2026: OpenAI, vLLM-Omni, SGLang
// (`deleted`), LiteLLM (`processing`), new-api (`unknown`, NOT_START and its own reader's list), TeleFuser
// (`generating`, `cancelled`), OpenRouter (`pending`, `expired`), xAI (`done`), fal behind LiteLLM (`in_queue`).
const phases: { readonly [phase in Phase]: string } = {
  waiting: "queued pending submitted not_start preparing created starting unknown in_queue",
  running: "in_progress processing running generating",
  succeeded: "completed complete succeeded success finished done",
  failed: "failed failure fail error cancelled canceled expired deleted"
}

const phaseByWord: ReadonlyMap<string, Phase> = new Map(
  (["waiting", "running", "succeeded", "failed"] as const).flatMap((phase) =>
    phases[phase].split(" ").map((word) => [word, phase] as const)
  )
)

/** The phase of a status word; `running` for a word that is not known. */
export const phaseOfStatus = (status: string): Phase =>
  phaseByWord.get(status) ??
  phaseByWord.get(
    status
      .trim()
      .toLowerCase()
      .replace(/[\s-]+/g, "_")
  ) ??
  "running"
