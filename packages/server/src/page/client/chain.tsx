/** Chain of extensions: the posters of its clips with their lengths, and the sum. */
import type { Step } from "../frames.js"
import { Poster } from "./ui.js"

interface ChainProps {
  readonly steps: ReadonlyArray<Step>
  readonly actions: { readonly promptOf: (id: string) => string | undefined }
  readonly onStep: (step: number) => void
  /** The step that plays. */
  readonly current?: number
}

/** Seconds at which a step begins. */
export const startOf = (steps: ReadonlyArray<Step>, step: number): number =>
  steps.slice(0, step).reduce((sum, { seconds }) => sum + seconds, 0)

export const Chain = ({ actions, current, onStep, steps }: ChainProps) => (
  <ol class="chain" aria-label="Chain of extensions">
    {steps.map(({ id, seconds }, index) => {
      const prompt = id === null ? "a clip without a job" : (actions.promptOf(id) ?? "a clip")
      return (
        <li key={index}>
          {index === 0 ? null : <span class="sign">+</span>}
          <button
            type="button"
            class="step"
            title={prompt}
            aria-label={`Play from step ${index + 1}: ${prompt}, ${seconds} s`}
            aria-current={current === index ? "step" : undefined}
            onClick={() => onStep(index)}
          >
            <span class="step-poster">
              <Poster id={id} />
            </span>
            {seconds} s
          </button>
        </li>
      )
    })}
    <li>
      <span class="sign">=</span>
      <strong>{Math.round(startOf(steps, steps.length) * 10) / 10} s</strong>
    </li>
  </ol>
)
