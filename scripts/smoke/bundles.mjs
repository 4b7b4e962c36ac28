// Bundles the package as applications do.
import { writeFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { manifest } from "./project.mjs"

/** Entry points that need more than the two peers. All other entry points, also new ones, are the core. */
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

/** Bundles all exports of the core for a browser; fails if one needs a Node module. */
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
  // With `"fs": false` in the `browser` field of a package, the bundle succeeds and fails at run time.
  const disabled = Object.keys(metafile.inputs).filter((path) => path.startsWith("(disabled):"))
  const imports = [...Object.values(metafile.inputs), ...Object.values(metafile.outputs)].flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external === true || isBuiltin(path)).map(({ path }) => path)
  )
  if (disabled.length + imports.length > 0) throw new Error(`the core needs ${[...disabled, ...imports].join(", ")}`)
  const [{ contents }] = outputFiles
  const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`
  return `${coreEntries.length} entry points whole, ${kilobytes(contents.length)}, ${kilobytes(gzipSync(contents).length)} gzipped`
}

/** Bundles a program for a browser or for workerd into a file beside it. */
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
