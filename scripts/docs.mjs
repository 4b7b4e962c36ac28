// Generates the API reference from the docstrings, with the manual of `docs/`: `site/index.html`. Its modules are the exports of
// package.json, so it describes what a program can import. The tests compile its examples.
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const { Application, TSConfigReader, TypeDocReader } = await import("typedoc")

const root = fileURLToPath(new URL("..", import.meta.url))
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
const entryPoints = Object.values(exports)
  .filter((target) => typeof target === "object")
  .map(({ types }) => types.replace(/^\.\/dist\/(.*)\.d\.ts$/, `${root}src/$1.ts`))

process.chdir(root)
const application = await Application.bootstrapWithPlugins({ entryPoints }, [new TypeDocReader(), new TSConfigReader()])
const project = await application.convert()
if (project === undefined) process.exit(1)
application.validate(project)
await application.generateOutputs(project)
if (application.logger.hasErrors() || application.logger.hasWarnings()) process.exit(1)
