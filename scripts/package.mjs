// Checks the tarballs: manifests, sizes, types under both module resolutions, the command in an empty folder, the README's first
// program, and the error of a module whose optional peer is missing.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import "./install.mjs"

const { copyInto, makeFolder, makeProject, manifest, mustRun, pack, packages, root, run } = await import(
  "./smoke/project.mjs"
)

/** Tools that only this check needs; `npm install` does not install them. */
const publint = "publint@0.3.25"
const attw = "@arethetypeswrong/cli@0.18.5"

const tarballs = await pack()
const npx = (args, options) => mustRun("npx", ["--yes", ...args], options)

/** Project that uses all exports. */
const optionalPeers = Object.fromEntries(
  packages.flatMap(({ manifest: { peerDependencies, peerDependenciesMeta = {} } }) =>
    Object.keys(peerDependenciesMeta).map((name) => [name, peerDependencies[name]])
  )
)
const project = await makeProject("project", tarballs, ["core", "server", "durable", "cli"], {
  ...optionalPeers,
  "@types/node": manifest.devDependencies["@types/node"]
})
copyInto(project, "package")

/** Checks declarations too (`skipLibCheck` is off), but ignores errors in other packages. */
const checkTypes = async (module, moduleResolution) => {
  const entries = packages.flatMap(({ manifest }) =>
    Object.keys(manifest.exports)
      .filter((name) => name !== "./package.json")
      .map((name) => name.replace(/^\./, manifest.name))
  )
  const everything = entries.map((entry, index) => `export * as _${index} from "${entry}"\n`)
  writeFileSync(join(project, "everything.ts"), everything.join(""))
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "DOM", "DOM.Iterable"],
    module,
    moduleResolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: ["node"]
  }
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["everything.ts", "consumer.ts"] })
  )
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  const { isOk, stderr, stdout } = await run(process.execPath, [tsc, "-p", "tsconfig.json", "--pretty", "false"], {
    cwd: project
  })
  const lines = stdout.split("\n").filter((line) => line.includes("error TS"))
  const own = lines.filter((line) => /^(?:node_modules\/@?effect-videos\/|\w+\.ts\(|error )/.test(line))
  if (own.length > 0 || (!isOk && lines.length === 0)) throw new Error(`${own.join("\n")}${stderr}`)
  return `${entries.length} entry points`
}

/** Imports that fail without a peer, and the text that their error has to contain. */
const missing = [
  ["@effect/platform-node", "effect-videos/undici"],
  ["@effect/experimental", "effect-videos/RateLimiter"],
  ["@effect/sql-pg", "@effect-videos/durable/Postgres"],
  ["pg", "@effect-videos/durable/Postgres"],
  ["@aws-sdk/client-s3", "@effect-videos/durable/S3"],
  ["@aws-sdk/lib-storage", "@effect-videos/durable/S3"]
]

const checkPeers = async () => {
  const untried = Object.keys(optionalPeers).filter((name) => !missing.some(([tried]) => tried === name))
  if (untried.length > 0) throw new Error(`no check covers a missing ${untried.join(", ")}`)
  for (const [name, specifier] of missing) {
    const folder = join(project, "node_modules", name)
    const program = () => run(process.execPath, ["--eval", `import("${specifier}")`], { cwd: project })
    const { isOk, stderr } = await program()
    if (!isOk) throw new Error(`${specifier} fails with ${name}\n${stderr}`)
    renameSync(folder, `${folder}.away`)
    const without = await program()
    renameSync(`${folder}.away`, folder)
    if (without.isOk) throw new Error(`${specifier} does not need ${name}`)
    if (!without.stderr.includes(`'${name}'`))
      throw new Error(`the error does not name the missing ${name}\n${without.stderr}`)
  }
  return missing.map(([name]) => name).join(", ")
}

const checkCommand = async () => {
  const cwd = makeFolder("empty")
  const given = packages.map(({ name }) => {
    // npm accepts this form of a path on every system.
    copyFileSync(tarballs[name], join(cwd, `${name}.tgz`))
    return `--package=./${name}.tgz`
  })
  const { stdout } = await npx([...given, "effect-videos", "--version"], { cwd })
  if (stdout.trim() !== manifest.version) throw new Error(`--version prints ${stdout} instead of ${manifest.version}`)
  if (existsSync(join(cwd, "node_modules"))) throw new Error("the command installs packages")
  await checkServe(given, cwd)
  return `${stdout.trim()}, and it serves`
}

/** Whether `serve` listens: its first line on standard output has the base URL, which responds. */
const checkServe = async (given, cwd) => {
  const args = ["--yes", ...given, "effect-videos", "serve", "--port", "0", "--json"]
  // A group of its own: npx starts a shell, which starts the command.
  const child = spawn("npx", args, { cwd, stdio: ["ignore", "pipe", "inherit"], detached: true })
  try {
    const [line] = await once(createInterface({ input: child.stdout }), "line")
    const { status } = await fetch(`${JSON.parse(line).base_url}/videos`)
    if (status !== 200) throw new Error(`the server responds with HTTP ${status}`)
  } finally {
    process.kill(-child.pid)
  }
}

/**
 * The README's first ten lines as a reader follows them: its install lines in an empty folder, with the tarballs in place of the
 * published packages, then its first program as the README says to run it.
 */
const checkReadme = async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8")
  const [installs, code] = [...readme.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block]) => block)
  const [, file] = /`npx tsx ([\w.]+)`/.exec(readme) ?? []
  if (file === undefined) throw new Error("the README does not say how its first program is run")
  const cwd = makeFolder("readme")
  const names = Object.fromEntries(packages.map(({ name, manifest }) => [manifest.name, name]))
  for (const line of installs.trim().split("\n")) {
    const [npm, ...words] = line.split(" ")
    const args = words.map((word) => (names[word] === undefined ? word : tarballs[names[word]]))
    await mustRun(npm, args, { cwd })
  }
  writeFileSync(join(cwd, file), code)
  const { stdout } = await npx(["tsx", file], { cwd, limit: 120_000 })
  const last = stdout.trim().split("\n").at(-1)
  if (!last.startsWith("completed 100 % 12 s")) throw new Error(`the program prints\n${stdout}`)
  return `${installs.trim().split("\n").length} install lines and the program: "${last}"`
}

/** Bytes of the installed core, without its source maps. */
const largestCore = 1_000_000

const checkSize = async () => {
  const { stdout } = await mustRun("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"])
  const listing = JSON.parse(stdout)
  const { files } = Array.isArray(listing) ? listing[0] : Object.values(listing)[0]
  const bytes = files.reduce((sum, { path, size }) => (path.endsWith(".map") ? sum : sum + size), 0)
  const text = `${files.length} files, ${Math.round(bytes / 1000)} kB without source maps`
  if (bytes > largestCore) throw new Error(`${text}: more than ${largestCore / 1000} kB`)
  return `${text}, tarball ${Math.round(statSync(tarballs.core).size / 1000)} kB`
}

const checks = {
  publint: async () => {
    for (const { name } of packages) await npx([publint, "--strict", tarballs[name]])
    return "no errors, warnings or suggestions"
  },
  attw: async () => {
    // The command has no exports.
    for (const name of ["core", "server", "durable"]) await npx([attw, "--profile", "esm-only", tarballs[name]])
    return "no problems as ESM"
  },
  "size of the core": checkSize,
  "types, NodeNext": () => checkTypes("NodeNext", "NodeNext"),
  "types, Bundler": () => checkTypes("ESNext", "Bundler"),
  "a peer is missing": checkPeers,
  "npx, empty folder": checkCommand,
  "the README's start": checkReadme
}

let hasFailed = false
for (const [name, check] of Object.entries(checks)) {
  try {
    console.log(`ok      ${name.padEnd(20)} ${await check()}`)
  } catch (error) {
    hasFailed = true
    console.log(`failed  ${name.padEnd(20)} ${error instanceof Error ? error.message : String(error)}`)
  }
}
process.exit(hasFailed ? 1 : 0)
