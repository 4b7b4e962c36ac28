// Packs the packages and installs them in a separate project, as users do.
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (path) => JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"))

/** Manifest of the core. */
export const manifest = read(".")

/** Packages of the workspace in build order: short name, folder and manifest. */
export const packages = [
  { name: "core", folder: ".", manifest },
  { name: "server", folder: "packages/server", manifest: read("packages/server") },
  { name: "durable", folder: "packages/durable", manifest: read("packages/durable") },
  { name: "cli", folder: "packages/cli", manifest: read("packages/cli") }
]

const folder = mkdtempSync(join(tmpdir(), "effect-videos-package-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
// Makes the `exit` event fire when the terminal stops the script.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))

/** Makes a folder that is deleted when the process exits. */
export const makeFolder = (name) => {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

/** Runs a program until it ends, or until a timeout in milliseconds. */
export const run = (command, args, { cwd = root, env = {}, limit = 300_000 } = {}) =>
  new Promise((resolve) => {
    // On Windows, npm is a script that only a shell can run.
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

/** Like `run`, but throws the output of a program that fails. */
export const mustRun = async (command, args, options) => {
  const result = await run(command, args, options)
  if (!result.isOk) throw new Error(`${command} ${args.join(" ")} failed\n${result.stdout}${result.stderr}`.trim())
  return result
}

/** Builds the packages, and returns the paths of their tarballs by short name. */
export const pack = async () => {
  const tarballs = {}
  for (const { name, folder } of packages) {
    const destination = makeFolder(`tarball-${name}`)
    await mustRun("npm", ["pack", "--pack-destination", destination], { cwd: join(root, folder) })
    const [tarball] = readdirSync(destination)
    tarballs[name] = join(destination, tarball)
  }
  return tarballs
}

/** Installs only these dependencies into a new folder. */
export const install = (cwd, content) => {
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ private: true, type: "module", ...content }, null, 2))
  return run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], { cwd })
}

/** Makes a project with some of the packages, the two peers of the core, and other dependencies. */
export const makeProject = async (name, tarballs, names = ["core"], dependencies = {}) => {
  const { "@effect/platform": platform, effect } = manifest.peerDependencies
  const own = packages.filter(({ name }) => names.includes(name))
  const cwd = makeFolder(name)
  const { isOk, stderr } = await install(cwd, {
    dependencies: {
      ...Object.fromEntries(own.map(({ name, manifest }) => [manifest.name, `file:${tarballs[name]}`])),
      effect,
      "@effect/platform": platform,
      ...dependencies
    }
  })
  if (!isOk) throw new Error(`the packages cannot be installed\n${stderr}`)
  return cwd
}

/** Copies the files of a folder beside this one into the project. */
export const copyInto = (cwd, name) => cpSync(join(root, "scripts", name), cwd, { recursive: true })
