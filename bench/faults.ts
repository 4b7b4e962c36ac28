/**
 * What clients make of faults, beside each other: 64 cases (`faults/cases.ts`), each a fault of the embedded server, on a
 * socket, under a submission, a watch, a list or a download to a file. One judge (`faults/judge.ts`) looks at what is on the
 * server, what the caller was told, and what is on the disk. Each client in a process of its own, one after the other, with
 * its defaults but for time-outs, which are the same for all. Before them come clients that are wrong on purpose, which the
 * judge must not let pass.
 *
 *   npm run bench -- faults
 *   npm run bench -- faults --verbose    each case that does not end as it should, in a line
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { Verdict } from "./faults/judge.js"

interface Row {
  readonly flow: string
  readonly name: string
  readonly verdict: Verdict
}

const isVerbose = process.argv.includes("--verbose")

/** Nothing that is wrong on purpose may pass. */
const examine = async () => {
  const [{ cases }, { contenders }, { verdictsOf }, { doubler, liar, quitter }] = await load()
  const once = cases.filter(({ ends, flow }) => flow === "submit" && ends === "value")
  const bare = contenders["bare fetch"]
  if (bare === undefined) throw new Error("nothing to double")
  for (const [name, wrong, some] of [
    ["the liar", liar, cases],
    ["the quitter", quitter, cases],
    ["the doubler", doubler(await bare()), once]
  ] as const) {
    const passed = (await Effect.runPromise(verdictsOf(some, wrong))).filter(([, { isAsItShould }]) => isAsItShould)
    if (passed.length > 0)
      throw new Error(`the judge lets ${name} pass: ${passed.map(([each]) => each.name).join("; ")}`)
  }
}

const load = () =>
  Promise.all([
    import("./faults/cases.js"),
    import("./faults/contenders.js"),
    import("./faults/run.js"),
    import("./faults/wrong.js")
  ])

/** One client, in this process. */
const measure = async (name: string): Promise<ReadonlyArray<Row>> => {
  const [{ cases }, { contenders }, { verdictsOf }] = await load()
  const contender = contenders[name]
  if (contender === undefined) throw new Error(`no contender ${name}`)
  const verdicts = await Effect.runPromise(verdictsOf(cases, await contender()))
  return verdicts.map(([{ flow, name }, verdict]) => ({ flow, name, verdict }))
}

/** `effect-videos` is the built package here, by its own name and not by a path of this repository's. */
const start = (...words: ReadonlyArray<string>): ChildProcess =>
  fork(fileURLToPath(import.meta.url), words, {
    execArgv: ["--import", import.meta.resolve("tsx")],
    env: { ...process.env, TSX_TSCONFIG_PATH: fileURLToPath(new URL("../tsconfig.base.json", import.meta.url)) }
  })

const all = async () => {
  await import("./build.js")
  const { contenders } = await import("./faults/contenders.js")
  const table: Record<string, object> = {}
  const lines: Array<string> = []
  const [found] = await once(start("examine"), "exit")
  if (found !== 0) throw new Error("the judge cannot be trusted")
  for (const name of Object.keys(contenders)) {
    const child = start("measure", name)
    let rows: ReadonlyArray<Row> = []
    child.on("message", (message: ReadonlyArray<Row>) => (rows = message))
    const [code] = await once(child, "exit")
    if (code !== 0) throw new Error(`${name} did not finish`)
    const sum = (of: (verdict: Verdict) => number) => rows.reduce((total, { verdict }) => total + of(verdict), 0)
    table[name] = {
      [`as it should, of ${rows.length}`]: sum(({ isAsItShould }) => Number(isAsItShould)),
      "duplicate jobs": sum(({ duplicates }) => duplicates),
      "jobs lost sight of": sum(({ dropped }) => dropped),
      "wrong or short, told as success": sum(({ isWrong }) => Number(isWrong)),
      "identity told elsewhere": sum(({ leaks }) => leaks)
    }
    for (const { flow, name: fault, verdict } of rows) {
      if (!verdict.isAsItShould) lines.push(`${name}: ${flow}, ${fault}: ${verdict.what}`)
    }
  }
  console.log("\nHow 64 faults end, for the caller of each client\n")
  console.table(table)
  if (isVerbose) console.log(lines.join("\n"))
}

const [, , mode, name] = process.argv
if (mode === "measure") process.send?.(await measure(name ?? ""), () => process.exit(0))
else if (mode === "examine") {
  await examine()
  process.exit(0)
} else await all()
