// Whether the packed library works where people run it: a project with the tarball and its two peers, and one program
// (smoke/job.mjs) against the embedded server, which is a process of its own, on each runtime.
//
//   npm run smoke
//   npm run smoke -- bun workerd     these alone
//
// A runtime that cannot be had here is a line and no failure.
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import "./install.mjs"

const { bundleCore, bundleProgram } = await import("./smoke/bundles.mjs")
const { browserProblem, runInBrowser } = await import("./smoke/browser.mjs")
const { copyInto, makeProject, mustRun, pack } = await import("./smoke/project.mjs")
const { installRuntime } = await import("./smoke/runtimes.mjs")

/** For a machine that has other things to do: what takes longer hangs. */
const limit = 120_000
const apiKey = "sk-smoke"

const tarball = await pack()
const project = await makeProject("project", tarball)
copyInto(project, "smoke")

/** The command's own server, out of the same tarball: CORS, and a key, so that browsers have to ask first. */
const startServer = () =>
  new Promise((resolve, reject) => {
    const command = join(project, "node_modules/effect-videos/dist/cli.mjs")
    const args = ["serve", "--port", "0", "--queue-time", "100ms", "--run-time", "1s", "--require-key", "--json"]
    const child = spawn(process.execPath, [command, ...args], {
      env: { ...process.env, OPENAI_API_KEY: apiKey },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let complaint = ""
    child.stderr.on("data", (text) => {
      complaint += text
    })
    child.on("exit", () => reject(new Error(`the server ended\n${complaint}`)))
    process.on("exit", () => child.kill())
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line).base_url))
  })

const baseUrl = await startServer()

/** The job in a process of this runtime. */
const inProcess = async (command, args = [], env = {}) => {
  const { stdout } = await mustRun(command, [...args, join(project, "main.mjs")], {
    cwd: project,
    env: { ...env, OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: apiKey },
    limit
  })
  return stdout.trim()
}

const unavailable = (version, problem) => ({ version, problem })

const onRuntime = (id, args) => async () => {
  const { binary, cwd, problem, version } = await installRuntime(id)
  if (problem !== undefined) return unavailable(version, problem)
  return { version, line: await inProcess(binary, args, { DENO_DIR: join(cwd, "deno"), DENO_NO_UPDATE_CHECK: "1" }) }
}

const onWorkerd = async () => {
  const { cwd, problem, version } = await installRuntime("miniflare")
  if (problem !== undefined) return unavailable(version, problem)
  // miniflare is for Node 22 and later.
  const node =
    Number.parseInt(process.versions.node, 10) >= 22 ? { binary: process.execPath } : await installRuntime("node-22")
  if (node.problem !== undefined) return unavailable(version, `it wants Node 22: ${node.problem}`)
  const worker = await bundleProgram(project, "worker", ["workerd", "worker"])
  const bindings = JSON.stringify({ apiKey, baseUrl })
  const { stdout } = await mustRun(node.binary, [join(project, "workerd.mjs"), cwd, worker, bindings], { limit })
  return { version: `(miniflare ${version})`, line: stdout.trim() }
}

const inChromium = async () => {
  if (browserProblem !== undefined) return unavailable("", browserProblem)
  return runInBrowser(await bundleProgram(project, "page"), { apiKey, baseUrl }, limit)
}

/** By the name that the command line takes. */
const runtimes = {
  node: ["Node", async () => ({ version: process.versions.node, line: await inProcess(process.execPath) })],
  "node-22": ["Node", onRuntime("node-22")],
  "node-24": ["Node", onRuntime("node-24")],
  bun: ["Bun", onRuntime("bun", ["run"])],
  deno: ["Deno", onRuntime("deno", ["run", "--no-prompt", "--allow-env", "--allow-net=127.0.0.1"])],
  workerd: ["workerd", onWorkerd],
  bundle: ["browser bundle", async () => ({ version: "", line: await bundleCore(project) })],
  chromium: ["Chromium", inChromium]
}

const named = process.argv.slice(2)
for (const name of named) {
  if (!(name in runtimes)) throw new Error(`\`${name}\` is none of ${Object.keys(runtimes).join(", ")}`)
}

let hasFailed = false
for (const name of named.length > 0 ? named : Object.keys(runtimes)) {
  const [title, attempt] = runtimes[name]
  const tell = (state, version, text) =>
    console.log(`${state.padEnd(14)} ${`${title} ${version}`.trim().padEnd(32)} ${text}`)
  try {
    const { line, problem, version } = await attempt()
    if (problem === undefined) tell("ok", version, line)
    else tell("not available", version, problem)
  } catch (error) {
    hasFailed = true
    tell("failed", "", error instanceof Error ? error.message : String(error))
  }
}
process.exit(hasFailed ? 1 : 0)
