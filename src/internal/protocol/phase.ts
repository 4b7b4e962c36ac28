/**
 * What a status means: `waiting` (not started), `running`, `succeeded` (the content can be
 * had), `failed` (it never will be). The last two are final.
 *
 * @since 0.1.0
 * @category models
 */
export type VideoPhase = "waiting" | "running" | "succeeded" | "failed"

// The words of the servers that people run, as read in their sources in November 2026: OpenAI, vLLM-Omni, SGLang
// (`deleted`), LiteLLM (`processing`), new-api (`unknown`, NOT_START and its own reader's list), TeleFuser
// (`generating`, `cancelled`), OpenRouter (`pending`, `expired`), xAI (`done`), fal behind LiteLLM (`in_queue`).
const words = [
  ["waiting", "queued pending submitted not_start preparing created starting unknown in_queue"],
  ["running", "in_progress processing running generating"],
  ["succeeded", "completed complete succeeded success finished done"],
  ["failed", "failed failure fail error cancelled canceled expired deleted"]
] as const

const phaseByWord: ReadonlyMap<string, VideoPhase> = new Map(
  words.flatMap(([phase, ofPhase]) => ofPhase.split(" ").map((word) => [word, phase] as const))
)

/** The phase of a status word, in any case and with `-` or spaces for `_`; `running` for a word that is not known. */
export const phaseOfStatus = (status: string): VideoPhase =>
  phaseByWord.get(status) ??
  phaseByWord.get(
    status
      .trim()
      .toLowerCase()
      .replace(/[\s-]+/g, "_")
  ) ??
  "running"
