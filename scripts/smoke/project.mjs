// The package as its users get it: packed, and installed beside what a project of theirs has.
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))
export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const folder = mkdtempSync(join(tmpdir(), "effect-videos-package-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
// So that `exit` is heard when the terminal stops the script.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))

/** A folder that goes with the process. */
export const makeFolder = (name) => {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

/** Runs a program to its end, or for so many milliseconds. */
export const run = (command, args, { cwd = root, env = {}, limit = 300_000 } = {}) =>
  new Promise((resolve) => {
    // npm is a script that only a shell finds on Windows.
    const shell = process.platform === "win32" && !command.includes("\\")
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      shell,
      timeout: limit,
      killSignal: "SIGKILL"
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text
    })
    child.on("error", ({ message }) => resolve({ isOk: false, stdout, stderr: message }))
    child.on("close", (code, signal) =>
      resolve({ isOk: code === 0, stdout, stderr: signal === null ? stderr : `${stderr}\nstopped by ${signal}` })
    )
  })

/** As `run`; a program that fails is an error that says what it said. */
export const mustRun = async (command, args, options) => {
  const result = await run(command, args, options)
  if (!result.isOk) throw new Error(`${command} ${args.join(" ")} failed\n${result.stdout}${result.stderr}`.trim())
  return result
}

/** Builds the package and gives the path of its tarball. */
export const pack = async () => {
  const destination = makeFolder("tarball")
  await mustRun("npm", ["pack", "--pack-destination", destination])
  const [tarball] = readdirSync(destination)
  return join(destination, tarball)
}

/** `npm install` of these dependencies and nothing else, into a folder of their own. */
export const install = (cwd, content) => {
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ private: true, type: "module", ...content }, null, 2))
  return run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], { cwd })
}

/** A project that has the tarball, the two peers that everybody needs, and these. */
export const makeProject = async (name, tarball, dependencies = {}) => {
  const { "@effect/platform": platform, effect } = manifest.peerDependencies
  const cwd = makeFolder(name)
  const { isOk, stderr } = await install(cwd, {
    dependencies: { "effect-videos": `file:${tarball}`, effect, "@effect/platform": platform, ...dependencies }
  })
  if (!isOk) throw new Error(`the package cannot be installed\n${stderr}`)
  return cwd
}

/** What the embedded server needs beside. */
export const serverPeers = Object.fromEntries(
  ["@effect/platform-node", "fast-png", "h264-mp4-encoder", "mediabunny"].map((name) => [
    name,
    manifest.peerDependencies[name]
  ])
)

/** The files of a folder beside this one, as files of the project. */
export const copyInto = (cwd, name) => cpSync(join(root, "scripts", name), cwd, { recursive: true })
