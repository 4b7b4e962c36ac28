// Makes the command: one file with everything it needs, so that `npx @effect-videos/cli` works in an empty folder, while the
// library itself stays as small as its two peers. Beside it go the licences of what is in it.
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build, stop } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const outfile = process.argv[2] ?? join(root, "packages/cli/dist/cli.mjs")

/**
 * The encoder is loaded by a `require` that is made at run time, for a reason that `packages.ts` gives. A bundler does not
 * see through that; here it becomes the `require` that it does see, which is as synchronous and as late.
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
      if (contents === source) throw new Error(`${path} loads the encoder otherwise than this script expects`)
      return { contents, loader: "ts" }
    })
  }
}

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["packages/cli/src/main.ts"],
  // Its `paths` lead to the sources of the other packages.
  tsconfig: "tsconfig.json",
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  // Names stay, for traces and for what finds classes by name; the size is in the white space.
  minifySyntax: true,
  minifyWhitespace: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
  plugins: [encoder],
  // CommonJS in the bundle asks for Node's own modules.
  banner: { js: 'import { createRequire } from "node:module";const require = createRequire(import.meta.url);' }
})
// The bundler is a process of its own that keeps this one's standard error open until it has noticed that nobody is left;
// whoever waits for the end of both would wait for that, too (https://github.com/evanw/esbuild/issues/2727).
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
      // Another name, then.
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
