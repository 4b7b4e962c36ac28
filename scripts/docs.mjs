// The API reference, out of the docstrings: `site/index.html`, with the manual of `docs/`. Its modules are those of package.json, so that what can be
// imported is what is described. The examples in it are compiled by the tests.
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
