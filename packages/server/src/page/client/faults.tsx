/** Switches for faults, behind one line. They show the rules of the server, also those that a program sets. */
import { useState } from "preact/hooks"
import type { Rule } from "../../faults/model.js"
import type { Frames, RuleView } from "../frames.js"
import { describe, type Kind, kindOf, kinds, type Pace, paceOf, paces, ruleOf } from "./kinds.js"
import { setRules } from "./server.js"

const isSpent = ({ injected, rule }: RuleView): boolean => rule.times !== undefined && injected >= rule.times

/** Setting the rules resets their counts, so a rule that stays keeps only the times that are left. */
const remaining = ({ injected, rule }: RuleView): Rule =>
  rule.times === undefined ? rule : { ...rule, times: rule.times - injected }

/** Whether the rule is what the switch of the kind sets. A rule for some operations only is from a program. */
const isSwitch = ({ rule }: RuleView, kind: Kind): boolean =>
  rule.on === undefined && kindOf(rule.fault) === kind && (rule.when === undefined || rule.when._tag === "Chance")

interface SwitchProps {
  readonly kind: Kind
  readonly index: number
  readonly view: RuleView | undefined
  readonly onChange: (kind: Kind, pace: Pace | null) => void
}

const Switch = ({ index, kind, onChange, view }: SwitchProps) => {
  const [chosen, setChosen] = useState<Pace["id"]>("next")
  const pace =
    view === undefined
      ? chosen
      : view.injected === 0 || view.rule.times === undefined
        ? paceOf(view.rule)?.id
        : undefined
  const change = (isOn: boolean, id: string | undefined) => {
    const next = paces.find((each) => each.id === id) ?? paces[0]
    setChosen(next.id)
    onChange(kind, isOn ? next : null)
  }
  return (
    <li>
      <label for={`fault-${index}`}>
        <input
          id={`fault-${index}`}
          type="checkbox"
          role="switch"
          aria-checked={view !== undefined}
          checked={view !== undefined}
          onChange={({ currentTarget }) => change(currentTarget.checked, pace)}
        />
        <span>{kind.name}</span>
      </label>
      <select
        aria-label={`How often: ${kind.name}`}
        value={pace ?? "left"}
        onChange={({ currentTarget: { value } }) => (view === undefined ? setChosen(value) : change(true, value))}
      >
        {pace === undefined ? (
          <option value="left">
            {view?.rule.times === undefined ? "as set" : `${view.rule.times - view.injected} more`}
          </option>
        ) : null}
        {paces.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </li>
  )
}

interface FaultsProps {
  readonly rules: Frames["faults"]
  readonly isOpen: boolean
  readonly onToggle: (isOpen: boolean) => void
}

export const liveRules = (rules: Frames["faults"]): Frames["faults"] => rules.filter((view) => !isSpent(view))

export const Faults = ({ isOpen, onToggle, rules }: FaultsProps) => {
  // Shown instead of the rules until the server reports others, so that a second switch, used before that, keeps the first.
  const [pending, setPending] = useState<{
    readonly instead: Frames["faults"]
    readonly next: Frames["faults"]
  } | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const live = liveRules(pending?.instead === rules ? pending.next : rules)
  const set = async (next: ReadonlyArray<Rule>) => {
    setPending({ instead: rules, next: next.map((rule) => ({ rule, injected: 0 })) })
    const outcome = await setRules(next)
    setProblem(outcome.ok ? null : outcome.problem)
    if (!outcome.ok) setPending(null)
  }
  const change = (kind: Kind, pace: Pace | null) => {
    const kept = live.filter((view) => !isSwitch(view, kind)).map(remaining)
    void set(pace === null ? kept : [...kept, ruleOf(kind, pace)])
  }
  const views = new Map(kinds.map((kind) => [kind, live.find((view) => isSwitch(view, kind))]))
  const others = live.filter((view) => ![...views.values()].includes(view))
  return (
    <details
      id="faults"
      class="faults panel"
      open={isOpen}
      onToggle={({ currentTarget }) => onToggle(currentTarget.open)}
      data-on={live.length > 0}
    >
      <summary>
        <span class="nowrap">Faults: {live.length} on</span>
        <span class="hint">{live.map(({ rule }) => describe(rule)).join(" · ") || "make the next requests fail"}</span>
      </summary>
      <p class="hint">A fault that is on changes requests of the protocol, also those of this page.</p>
      <ul aria-label="Faults">
        {kinds.map((kind, index) => (
          <Switch key={kind.name} kind={kind} index={index} view={views.get(kind)} onChange={change} />
        ))}
      </ul>
      {others.length === 0 ? null : (
        <>
          <h3 id="others-title">Rules of a program</h3>
          <ul class="others" aria-labelledby="others-title">
            {others.map(({ rule }, index) => (
              <li key={index}>{describe(rule)}</li>
            ))}
          </ul>
        </>
      )}
      {problem === null ? null : (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="button" disabled={live.length === 0} onClick={() => void set([])}>
        Clear all
      </button>
    </details>
  )
}
