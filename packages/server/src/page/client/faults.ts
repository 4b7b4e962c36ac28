/** The switches for faults, as the server's rules have them: what another page or program sets is seen here too. */
import type { Rule } from "../../faults/model.js"
import type { Frames, RuleView } from "../frames.js"
import { asList, byId, make, setText } from "./dom.js"
import { type Kind, kindOf, kinds, type Pace, paces, ruleOf, wordsOf } from "./kinds.js"
import { setRules } from "./server.js"

interface Switch {
  readonly kind: Kind
  readonly input: HTMLInputElement
  readonly select: HTMLSelectElement
  /** The pace that was set here, where the rule does not say it. */
  readonly left: HTMLOptionElement
}

const isSpent = ({ injected, rule }: RuleView): boolean => rule.times !== undefined && injected >= rule.times

/** A rule that is set anew counts anew; what is left of it is what it may still do. */
const remaining = ({ injected, rule }: RuleView): Rule =>
  rule.times === undefined ? rule : { ...rule, times: rule.times - injected }

const paceOf = ({ when, times }: Rule): Pace | undefined =>
  paces.find(({ limits }) =>
    limits === null
      ? when === undefined && times === undefined
      : "times" in limits
        ? when === undefined && times === limits.times
        : when?._tag === "Chance" && when.probability === limits.probability
  )

/** One rule of a kind is its switch: one that is limited to some operations is somebody else's. */
const isSwitch = ({ rule }: RuleView, kind: Kind): boolean =>
  rule.on === undefined && kindOf(rule.fault) === kind && (rule.when === undefined || rule.when._tag === "Chance")

/** Shows the rules of a frame from then on, and sets them when a switch is used. */
export const makeFaults = (): ((rules: Frames["faults"]) => void) => {
  const list = asList(byId("faults", HTMLUListElement))
  const others = byId("other-faults", HTMLElement)
  const otherList = asList(others.querySelector("ul") ?? others)
  const problem = byId("faults-problem", HTMLElement)
  const clear = byId("faults-clear", HTMLButtonElement)
  let rules: Frames["faults"] = []

  const set = async (next: ReadonlyArray<Rule>): Promise<void> => {
    const before = rules
    // At once, so that a second switch, used before the server's word comes, keeps the first.
    show(next.map((rule) => ({ rule, injected: 0 })))
    const why = await setRules(next)
    setText(problem, why ?? "")
    if (why !== null) show(before)
  }

  const change = ({ input, kind, select }: Switch): void => {
    const kept = rules.filter((view) => !isSpent(view) && !isSwitch(view, kind)).map(remaining)
    const pace = paces.find(({ id }) => id === select.value) ?? paces[0]
    void set(input.checked && pace !== undefined ? [...kept, ruleOf(kind, pace)] : kept)
  }

  const switches = kinds.map((kind, index): Switch => {
    const input = make("input", { type: "checkbox", role: "switch", id: `fault-${index}` })
    const select = make("select", { "aria-label": `How often: ${kind.name}` })
    select.append(...paces.map(({ id, name }) => make("option", { value: id }, name)))
    const left = make("option", { value: "left", hidden: "" })
    const made = { kind, input, select, left }
    input.addEventListener("change", () => change(made))
    select.addEventListener("change", () => {
      if (input.checked) change(made)
    })
    list.append(make("li", {}, make("label", { for: input.id }, input, make("span", {}, kind.name)), select))
    return made
  })

  clear.addEventListener("click", () => void set([]))

  const show = (views: Frames["faults"]): void => {
    rules = views
    const live = views.filter((view) => !isSpent(view))
    const shown = new Set<RuleView>()
    for (const { input, kind, left, select } of switches) {
      const view = live.find((each) => isSwitch(each, kind))
      input.checked = view !== undefined
      left.remove()
      if (view === undefined) {
        if (select.value === "") select.value = "next"
        continue
      }
      shown.add(view)
      const pace = paceOf(view.rule)
      if (pace !== undefined && (view.injected === 0 || view.rule.times === undefined)) {
        select.value = pace.id
      } else {
        setText(left, view.rule.times === undefined ? "as set" : `${view.rule.times - view.injected} more`)
        select.prepend(left)
        select.value = left.value
      }
    }
    const rest = live.filter((view) => !shown.has(view))
    others.hidden = rest.length === 0
    otherList.replaceChildren(...rest.map(({ rule }) => make("li", {}, describe(rule))))
    clear.disabled = live.length === 0
  }

  show([])
  return show
}

const describe = ({ fault, on, times, when }: Rule): string =>
  [
    wordsOf(fault),
    on === undefined ? "" : `on ${on.join(", ")}`,
    when === undefined ? "" : whenWords(when),
    times === undefined ? "" : `at most ${times} times`
  ]
    .filter((words) => words !== "")
    .join(" · ")

const whenWords = (when: NonNullable<Rule["when"]>): string => {
  switch (when._tag) {
    case "Always":
      return "always"
    case "Nth":
      return `request ${when.n.join(", ")}`
    case "Every":
      return `every ${when.n} requests`
    case "First":
      return `the first ${when.n} requests`
    case "Chance":
      return `${when.probability * 100} % of requests`
  }
}
