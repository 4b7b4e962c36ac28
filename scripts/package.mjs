// Whether the tarball is a package that fits: its manifest, its types under both ways of resolving them, its command in an
// empty folder, and what it says where an optional peer is missing.
import { copyFileSync, existsSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import "./install.mjs"

const { copyInto, makeFolder, makeProject, manifest, mustRun, pack, root, run } = await import("./smoke/project.mjs")

/** Nobody needs them to write code here: they are not installed with it. */
const publint = "publint@0.3.25"
const attw = "@arethetypeswrong/cli@0.18.5"

const tarball = await pack()
const npx = (args, options) => mustRun("npx", ["--yes", ...args], options)

/** A project of someone who uses everything. */
const optionalPeers = Object.keys(manifest.peerDependenciesMeta)
const project = await makeProject("project", tarball, {
  ...Object.fromEntries(optionalPeers.map((name) => [name, manifest.peerDependencies[name]])),
  "@types/node": manifest.devDependencies["@types/node"]
})
copyInto(project, "package")

/** Declarations are checked too: `skipLibCheck` is off. What other packages have wrong in theirs is not ours to say. */
const checkTypes = async (module, moduleResolution) => {
  const entries = Object.keys(manifest.exports).filter((name) => name !== "./package.json")
  const everything = entries.map(
    (name, index) => `export * as _${index} from "${name.replace(/^\./, manifest.name)}"\n`
  )
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
  const own = lines.filter((line) => /^(?:node_modules\/effect-videos\/|\w+\.ts\(|error )/.test(line))
  if (own.length > 0 || (!isOk && lines.length === 0)) throw new Error(`${own.join("\n")}${stderr}`)
  return `${entries.length} entry points`
}

/** What fails without a peer, and what the error has to say. */
const missing = [
  ["@effect/platform-node", ["server", "video"], "npm i @effect/platform-node@"],
  ["h264-mp4-encoder", ["server", "video"], "npm i h264-mp4-encoder@"],
  ["mediabunny", ["server", "video"], "npm i mediabunny@"],
  ["fast-png", ["server", "thumbnail"], "npm i fast-png@"],
  ["@effect/platform-node", ["import", "effect-videos/undici"], "'@effect/platform-node'"],
  ["@effect/experimental", ["import", "effect-videos/RateLimiter"], "'@effect/experimental'"]
]

const checkPeers = async () => {
  const untried = optionalPeers.filter((name) => !missing.some(([tried]) => tried === name))
  if (untried.length > 0) throw new Error(`nothing is tried without ${untried.join(", ")}`)
  for (const [name, args, says] of missing) {
    const folder = join(project, "node_modules", name)
    const program = () => run(process.execPath, ["peers.mjs", ...args], { cwd: project })
    const { isOk, stderr } = await program()
    if (!isOk) throw new Error(`${args.join(" ")} fails with ${name}\n${stderr}`)
    renameSync(folder, `${folder}.away`)
    const without = await program()
    renameSync(`${folder}.away`, folder)
    if (without.isOk) throw new Error(`${args.join(" ")} does not need ${name}`)
    if (!without.stderr.includes(says)) throw new Error(`without ${name}, it does not say ${says}\n${without.stderr}`)
  }
  return missing.map(([name]) => name).join(", ")
}

const checkCommand = async () => {
  const cwd = makeFolder("empty")
  // By a path that npm takes for one on every system.
  copyFileSync(tarball, join(cwd, "package.tgz"))
  const { stdout } = await npx(["--package=./package.tgz", "effect-videos", "--version"], { cwd })
  if (stdout.trim() !== manifest.version) throw new Error(`it says ${stdout}, and is ${manifest.version}`)
  if (existsSync(join(cwd, "node_modules"))) throw new Error("it leaves packages behind")
  return stdout.trim()
}

const checks = {
  publint: async () => {
    await npx([publint, "--strict", tarball])
    return "no errors, warnings or suggestions"
  },
  attw: async () => {
    await npx([attw, "--profile", "esm-only", tarball])
    return "no problems as ESM"
  },
  "types, NodeNext": () => checkTypes("NodeNext", "NodeNext"),
  "types, Bundler": () => checkTypes("ESNext", "Bundler"),
  "a peer is missing": checkPeers,
  "npx, empty folder": checkCommand
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
