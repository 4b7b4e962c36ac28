// Bundles of the package, as applications make them.
import { writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { manifest } from "./project.mjs"

/** Entry points that say that they need more than the two peers. All others are the core, those to come as well. */
const beyondCore = ["./package.json", "./RateLimiter", "./undici"]

export const coreEntries = Object.keys(manifest.exports)
  .filter((name) => !beyondCore.includes(name))
  .map((name) => name.replace(/^\./, manifest.name))

const options = {
  bundle: true,
  format: "esm",
  target: "es2022",
  metafile: true,
  legalComments: "none",
  logLevel: "silent"
}

/** Everything that the core exports, for a browser; fails where any of it wants a module of Node. */
export const bundleCore = async (cwd) => {
  const entry = "everything.mjs"
  writeFileSync(join(cwd, entry), coreEntries.map((name, index) => `export * as _${index} from "${name}"\n`).join(""))
  const { metafile, outputFiles } = await build({
    ...options,
    absWorkingDir: cwd,
    entryPoints: [entry],
    platform: "browser",
    minify: true,
    write: false
  })
  // A package may have said `"fs": false` to browsers; then the bundle is made, and fails when it runs.
  const disabled = Object.keys(metafile.inputs).filter((path) => path.startsWith("(disabled):"))
  const imports = [...Object.values(metafile.inputs), ...Object.values(metafile.outputs)].flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external === true || isBuiltin(path)).map(({ path }) => path)
  )
  if (disabled.length + imports.length > 0) throw new Error(`it wants ${[...disabled, ...imports].join(", ")}`)
  const [{ contents }] = outputFiles
  const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`
  return `${coreEntries.length} entry points whole, ${kilobytes(contents.length)}, ${kilobytes(gzipSync(contents).length)} gzipped`
}

/** One program for a browser, or for workerd, as a file beside it. */
export const bundleProgram = async (cwd, name, conditions = []) => {
  const outfile = join(cwd, `${name}.bundle.mjs`)
  await build({
    ...options,
    absWorkingDir: cwd,
    entryPoints: [`${name}.mjs`],
    outfile,
    platform: "browser",
    conditions
  })
  return outfile
}
