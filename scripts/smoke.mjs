// Tests the packed library on each runtime: a project with the tarball and its two peers runs one program (smoke/job.mjs) against
// the embedded server in a separate process.
//
//   npm run smoke
//   npm run smoke -- bun workerd     only these runtimes
//
// A runtime that cannot be installed here prints a line and is not a failure.
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import "./install.mjs"

const { bundleCore, bundleProgram } = await import("./smoke/bundles.mjs")
const { browserProblem } = await import("./chromium.mjs")
const { runInBrowser } = await import("./smoke/browser.mjs")
const { copyInto, makeProject, mustRun, pack } = await import("./smoke/project.mjs")
const { installRuntime } = await import("./smoke/runtimes.mjs")

/** Generous limit for a busy machine; a step that takes longer hangs. */
const limit = 120_000
const apiKey = "sk-smoke"

const tarballs = await pack()
const project = await makeProject("project", tarballs)
copyInto(project, "smoke")

/** Project with the server and the command. */
const serverProject = await makeProject("server", tarballs, ["core", "server", "durable", "cli"])
copyInto(serverProject, "smoke")

const commandPackage = join(serverProject, "node_modules/@effect-videos/cli")
const { bin } = JSON.parse(readFileSync(join(commandPackage, "package.json"), "utf8"))
const command = join(commandPackage, bin["effect-videos"])
const node = [process.execPath]

/** Server of the command from the same tarball, with CORS and a key, so that browsers send preflights. */
const startServer = ([binary, ...flags]) =>
  new Promise((resolve, reject) => {
    const args = ["serve", "--port", "0", "--queue-time", "100ms", "--run-time", "1s", "--require-key", "--json"]
    const child = spawn(binary, [...flags, command, ...args], {
      env: { ...process.env, OPENAI_API_KEY: apiKey },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let complaint = ""
    child.stderr.on("data", (text) => {
      complaint += text
    })
    const ended = new Promise((resolve) => child.on("exit", resolve))
    ended.then(() => reject(new Error(`the server ended\n${complaint}`)))
    process.on("exit", () => child.kill())
    const stop = () => {
      child.kill("SIGINT")
      return ended
    }
    createInterface({ input: child.stdout }).once("line", (line) =>
      resolve({ baseUrl: JSON.parse(line).base_url, stop })
    )
  })

const { baseUrl } = await startServer(node)

/** Runs a program on a runtime, and returns its output. */
const inProcess = async ([binary, ...flags], args, server, env = {}) => {
  const { stdout } = await mustRun(binary, [...flags, ...args], {
    cwd: project,
    env: { ...env, OPENAI_BASE_URL: server, OPENAI_API_KEY: apiKey },
    limit
  })
  return stdout.trim()
}

const main = join(project, "main.mjs")

const unavailable = (version, problem) => ({ version, problem })

/** Returns how to start a runtime, or why it is missing. */
const started = async (id, flags = []) => {
  const { binary, cwd, problem, version } = await installRuntime(id)
  if (problem !== undefined) return unavailable(version, problem)
  return { version, run: [binary, ...flags], env: { DENO_DIR: join(cwd, "deno"), DENO_NO_UPDATE_CHECK: "1" } }
}

const onRuntime = (id, flags) => async () => {
  const { env, problem, run, version } = await started(id, flags)
  if (problem !== undefined) return unavailable(version, problem)
  return { version, line: await inProcess(run, [main], baseUrl, env) }
}

/**
 * Tests the command and the embedded server on a runtime: `serve` with the job from Node, `create` to a file, and
 * `@effect-videos/server` in a program.
 */
const serverOnRuntime = (id, flags) => async () => {
  const { env, problem, run, version } = await started(id, flags)
  if (problem !== undefined) return unavailable(version, problem)
  const server = await startServer(run)
  const served = await inProcess(node, [main], server.baseUrl)
  const args = ["create", "-p", "a fox", "--seconds", "4", "--size", "64x64", "-o", `${id}.mp4`]
  const { file } = JSON.parse(await inProcess(run, [command, ...args], server.baseUrl, env))
  const code = await server.stop()
  if (code !== 130) throw new Error(`serve exits with ${code} after Ctrl-C`)
  const cwd = serverProject
  const { stdout } = await mustRun(run[0], [...run.slice(1), join(cwd, "server.mjs")], { cwd, env, limit })
  return { version, line: `serve: ${served}; create: ${file.bytes} bytes; VideosServer: ${stdout.trim()}` }
}

const onWorkerd = async () => {
  const { cwd, problem, version } = await installRuntime("miniflare")
  if (problem !== undefined) return unavailable(version, problem)
  // miniflare needs Node 22 or later.
  const newer =
    Number.parseInt(process.versions.node, 10) >= 22 ? { binary: process.execPath } : await installRuntime("node-22")
  if (newer.problem !== undefined) return unavailable(version, `it wants Node 22: ${newer.problem}`)
  const worker = await bundleProgram(project, "worker", ["workerd", "worker"])
  const bindings = JSON.stringify({ apiKey, baseUrl })
  const { stdout } = await mustRun(newer.binary, [join(project, "workerd.mjs"), cwd, worker, bindings], { limit })
  return { version: `(miniflare ${version})`, line: stdout.trim() }
}

const inChromium = async () => {
  if (browserProblem !== undefined) return unavailable("", browserProblem)
  return runInBrowser(await bundleProgram(project, "page"), { apiKey, baseUrl }, limit)
}

/** Runtimes by their name on the command line. */
const runtimes = {
  node: ["Node", async () => ({ version: process.versions.node, line: await inProcess(node, [main], baseUrl) })],
  "node-22": ["Node", onRuntime("node-22")],
  "node-24": ["Node", onRuntime("node-24")],
  bun: ["Bun", onRuntime("bun", ["run"])],
  deno: ["Deno", onRuntime("deno", ["run", "--no-prompt", "--allow-env", "--allow-net=127.0.0.1"])],
  "bun-server": ["Bun, server", serverOnRuntime("bun", ["run"])],
  "deno-server": [
    "Deno, server",
    serverOnRuntime("deno", [
      "run",
      "--no-prompt",
      ...["env", "net", "read", "sys=uid", "write"].map((name) => `--allow-${name}`)
    ])
  ],
  workerd: ["workerd", onWorkerd],
  bundle: ["browser bundle", async () => ({ version: "", line: await bundleCore(project) })],
  chromium: ["Chromium", inChromium]
}

const named = process.argv.slice(2)
for (const name of named) {
  if (!(name in runtimes)) throw new Error(`\`${name}\` is not one of ${Object.keys(runtimes).join(", ")}`)
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
