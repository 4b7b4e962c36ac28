/** The 64 faults of `npm run bench -- faults`, on this library alone; and that their judge lets nothing wrong pass. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Case, cases } from "../../bench/faults/cases.js"
import type { Access, Client } from "../../bench/faults/client.js"
import { type Evidence, judge } from "../../bench/faults/judge.js"
import { makeOurs } from "../../bench/faults/ours.js"
import { verdictsOf } from "../../bench/faults/run.js"
import { doubler, liar, quitter } from "../../bench/faults/wrong.js"

const named = (some: ReadonlyArray<Case>, open: (access: Access) => Client) =>
  Effect.map(verdictsOf(some, open, { queueTime: "100 millis", runTime: "400 millis" }), (verdicts) =>
    verdicts.map(([{ flow, name }, verdict]) => ({ name: `${flow}: ${name}`, ...verdict }))
  )

const patience = {
  requestTimeout: "3 seconds",
  deadline: "30 seconds",
  interval: "100 millis",
  listLag: "3 seconds",
  maxRetryDelay: "50 millis"
} as const

const ours = makeOurs(patience)

/** For the cases in which only the deadline ends a fault. */
const hasty = makeOurs({ ...patience, deadline: "2 seconds" })

it("the bench has 64 faults", () => assert.strictEqual(cases.length, 64))

const flows = ["submit", "watch", "list", "download"] as const

// The cases of a flow run side by side, because they mostly wait. All 64 at once would keep the processors busy for longer than a
// timeout.
describe.each(flows)("under the faults of the bench, '%s' ends as it should:", (flow) => {
  it.live.each(cases.filter((each) => each.flow === flow))(
    "$name",
    (each) =>
      Effect.gen(function* () {
        const [verdict] = yield* named([each], each.ends === "error" ? hasty : ours)
        assert.isTrue(verdict?.isAsItShould, JSON.stringify(verdict))
      }),
    { concurrent: true }
  )
})

describe("the judge of faults", () => {
  it.live.each([
    ["says yes to everything", liar],
    ["gives everything up", quitter]
  ] as const)("lets no client pass that %s", ([, wrong]) =>
    Effect.gen(function* () {
      const some = flows.flatMap((flow) => cases.filter((each) => each.flow === flow).slice(0, 2))
      const verdicts = yield* named(some, wrong)
      assert.deepStrictEqual(
        verdicts.filter(({ isAsItShould }) => isAsItShould),
        []
      )
    })
  )

  it.live("counts the jobs of a client that sends everything twice", () =>
    Effect.gen(function* () {
      const some = cases.filter(({ ends, flow }) => flow === "submit" && ends === "value")
      const verdicts = yield* named(some, doubler(ours))
      assert.deepStrictEqual(
        verdicts.map(({ duplicates, isAsItShould }) => [duplicates, isAsItShould]),
        some.map(() => [1, false])
      )
    })
  )

  const caseOf = (flow: Case["flow"], more: Partial<Case> = {}): Case => ({
    flow,
    name: "",
    rules: () => [],
    ends: "value",
    ...more
  })
  const value = <A>(value: A) => ({ _tag: "Value", value }) as const
  const error = (isOpen: boolean) => ({ _tag: "Error", message: "", isOpen }) as const
  const wire = { requests: 1, leaks: 0 }
  const end = { id: "video_1", outcome: "completed" } as const
  const watch = { ...wire, flow: "watch", id: "video_1", isStillThere: true } as const
  const submit = { ...wire, flow: "submit" } as const
  const list = { ...wire, flow: "list", there: ["video_2", "video_1"] } as const
  const download = { ...wire, flow: "download" } as const

  const right: ReadonlyArray<readonly [string, Case, Evidence]> = [
    ["a job and its id", caseOf("submit"), { ...submit, result: [value("a")], made: ["a"] }],
    [
      "a job that may be there",
      caseOf("submit", { ends: "either" }),
      { ...submit, result: [error(true)], made: ["a"] }
    ],
    ["no job, and an error", caseOf("submit", { ends: "either" }), { ...submit, result: [error(false)], made: [] }],
    ["the end of a job", caseOf("watch"), { ...watch, result: value(end), statuses: ["queued", "completed"] }],
    ["the whole list", caseOf("list"), { ...list, result: value(undefined), ids: ["video_2", "video_1"] }],
    ["half a list that fails", caseOf("list", { ends: "error" }), { ...list, result: error(false), ids: ["video_2"] }],
    ["a whole file", caseOf("download"), { ...download, result: value(undefined), file: "whole" }],
    ["no file", caseOf("download", { ends: "error" }), { ...download, result: error(false), file: "none" }]
  ]
  it.each(right)("lets pass %s", (_, each, evidence) => {
    assert.isTrue(judge(each, evidence).isAsItShould)
  })

  const either = caseOf("submit", { ends: "either" })
  const wrong: ReadonlyArray<readonly [string, Case, Evidence]> = [
    ["two jobs for one call", either, { ...submit, result: [value("a")], made: ["a", "b"] }],
    ["a job, and an error that denies it", either, { ...submit, result: [error(false)], made: ["a"] }],
    ["a job that was not made", either, { ...submit, result: [value("b")], made: [] }],
    ["one job for two", { ...either, calls: 2 }, { ...submit, result: [value("a"), value("a")], made: ["a", "b"] }],
    ["no end of a submission", either, { ...submit, result: [{ _tag: "Nothing" }], made: ["a"] }],
    [
      "a retry of a refused request",
      caseOf("submit", { ends: "error", askedOnce: true }),
      { ...submit, requests: 2, result: [error(false)], made: [] }
    ],
    ["success without a job", caseOf("submit", { ends: "error" }), { ...submit, result: [value("a")], made: ["a"] }],
    ["another job's end", caseOf("watch"), { ...watch, result: value({ ...end, id: "" }), statuses: ["completed"] }],
    ["another end", caseOf("watch", { outcome: "failed" }), { ...watch, result: value(end), statuses: ["completed"] }],
    ["steps back", caseOf("watch"), { ...watch, result: value(end), statuses: ["in_progress", "queued", "completed"] }],
    ["the end twice", caseOf("watch"), { ...watch, result: value(end), statuses: ["completed", "completed"] }],
    ["a watch that was dropped", caseOf("watch"), { ...watch, result: error(false), statuses: [] }],
    ["a job that was deleted", caseOf("watch"), { ...watch, isStillThere: false, result: value(end), statuses: [] }],
    ["half a list as a list", caseOf("list"), { ...list, result: value(undefined), ids: ["video_2"] }],
    ["a job twice", caseOf("list"), { ...list, result: value(undefined), ids: ["video_2", "video_2", "video_1"] }],
    ["jobs left out", caseOf("list", { ends: "error" }), { ...list, result: error(false), ids: ["video_1"] }],
    ["half a file as a file", caseOf("download"), { ...download, result: value(undefined), file: "wrong" }],
    ["half a file left", caseOf("download", { ends: "error" }), { ...download, result: error(false), file: "wrong" }],
    ["a leak", caseOf("download"), { ...download, leaks: 1, result: value(undefined), file: "whole" }]
  ]
  it.each(wrong)("does not let pass %s", (_, each, evidence) => {
    assert.isFalse(judge(each, evidence).isAsItShould)
  })
})
