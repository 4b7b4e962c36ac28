/**
 * Compares how clients handle faults: 64 cases (`faults/cases.ts`), each a fault of the embedded server on a socket during a
 * submission, a watch, a list or a download to a file. One judge (`faults/judge.ts`) checks the jobs on the server, the result
 * of the call, and the file on disk. Each client runs in a separate process, one after the other, with its defaults except for
 * timeouts, which are the same for all. First run clients that are wrong on purpose; the judge has to reject them.
 *
 *   npm run bench -- faults
 *   npm run bench -- faults --verbose    prints each failed case in a line
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

/** Checks that the judge rejects all clients that are wrong on purpose. */
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
    if (passed.length > 0) throw new Error(`the judge accepts ${name}: ${passed.map(([each]) => each.name).join("; ")}`)
  }
}

const load = () =>
  Promise.all([
    import("./faults/cases.js"),
    import("./faults/contenders.js"),
    import("./faults/run.js"),
    import("./faults/wrong.js")
  ])

/** Runs one client in this process. */
const measure = async (name: string): Promise<ReadonlyArray<Row>> => {
  const [{ cases }, { contenders }, { verdictsOf }] = await load()
  const contender = contenders[name]
  if (contender === undefined) throw new Error(`no contender ${name}`)
  const verdicts = await Effect.runPromise(verdictsOf(cases, await contender()))
  return verdicts.map(([{ flow, name }, verdict]) => ({ flow, name, verdict }))
}

/** Makes `effect-videos` resolve to the built package, not to the sources of this repository. */
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
      "wrong or short, reported as success": sum(({ isWrong }) => Number(isWrong)),
      "identity sent elsewhere": sum(({ leaks }) => leaks)
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
