// Bundles the command into one file without dependencies, so that `npx @effect-videos/cli` works in an empty folder and the
// library needs only its two peers. Writes the licences of the bundled packages beside it.
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build, stop } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const outfile = process.argv[2] ?? join(root, "packages/cli/dist/cli.mjs")

/**
 * Replaces the `require` of the encoder, which `packages.ts` creates at run time, by a plain `require` that the bundler can
 * resolve. Both load the module synchronously on first use.
 */
const encoder = {
  name: "encoder",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]media[\\/]packages\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8")
      const contents = source.replace(
        'createRequire(import.meta.url)("h264-mp4-encoder")',
        'require("h264-mp4-encoder")'
      )
      if (contents === source) throw new Error(`${path} does not load the encoder as this script expects`)
      return { contents, loader: "ts" }
    })
  }
}

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["packages/cli/src/main.ts"],
  // `paths` of this configuration resolve to the sources of the other packages.
  tsconfig: "tsconfig.json",
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Keeps names, for stack traces and for code that finds classes by name. White space is most of the size.
  minifySyntax: true,
  minifyWhitespace: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
  plugins: [encoder],
  // CommonJS modules in the bundle require Node's modules.
  banner: { js: 'import { createRequire } from "node:module";const require = createRequire(import.meta.url);' }
})
// esbuild is a separate process that keeps the standard error of this process open. Without `stop`, a caller that waits for the
// end of both would wait for esbuild too (https://github.com/evanw/esbuild/issues/2727).
await stop()

const packages = new Map()
for (const input of Object.keys(metafile.inputs)) {
  const [, inside, name] = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(input) ?? []
  if (inside !== undefined) packages.set(name, join(root, inside))
}

const licenceOf = (folder) => {
  for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license", "license.md"]) {
    try {
      return readFileSync(join(folder, name), "utf8").trim()
    } catch {
      // Tries the next file name.
    }
  }
  return "(no licence text in the package)"
}

const notices = [...packages]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, folder]) => {
    const { homepage, license, repository, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const source = typeof repository === "string" ? repository : (repository?.url ?? homepage ?? "")
    return `${name} ${version} (${license})\n${source}\n\n${licenceOf(folder)}\n`
  })
writeFileSync(join(dirname(outfile), "cli.licenses.txt"), notices.join(`\n${"-".repeat(80)}\n\n`))

const [{ bytes }] = Object.values(metafile.outputs)
console.log(`${relative(root, outfile)}: ${(bytes / 1e6).toFixed(1)} MB, ${packages.size} packages`)
