// Generates the API reference from the docstrings, with the manual of `docs/`: `site/index.html`. Its modules are the exports of
// package.json, so it describes what a program can import. The tests compile its examples. TypeDoc 0.28 needs TypeScript 6 and the
// project is checked by TypeScript 7, so TypeDoc is fetched for the run and is not a dependency.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
const entryPoints = Object.values(exports)
  .filter((target) => typeof target === "object")
  .map(({ types }) => types.replace(/^\.\/dist\/(.*)\.d\.ts$/, "src/$1.ts"))

const packages = ["typedoc@0.28.20", "typescript@6.0.3"].map((name) => `--package=${name}`)
const { status } = spawnSync(
  "npx",
  ["--yes", ...packages, "typedoc", "--treatWarningsAsErrors", "--treatValidationWarningsAsErrors", ...entryPoints],
  { cwd: root, stdio: "inherit", shell: process.platform === "win32" }
)
process.exitCode = status ?? 1
