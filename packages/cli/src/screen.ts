/** Data goes to standard output, everything else to standard error. A service, so that a test can read both. */
import { stripVTControlCharacters } from "node:util"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The reader of standard output has gone away (`| head -1`). */
export class OutputClosedError extends Data.TaggedError("OutputClosedError")<{ readonly cause: unknown }> {}

/** Standard output cannot be written, for example because the disk is full. */
export class OutputFailedError extends Data.TaggedError("OutputFailedError")<{ readonly cause: Error }> {
  override get message() {
    return `standard output cannot be written: ${this.cause.message}`
  }
}

export type OutputError = OutputClosedError | OutputFailedError

const outputError = (cause: Error): OutputError =>
  "code" in cause && (cause.code === "EPIPE" || cause.code === "ERR_STREAM_DESTROYED")
    ? new OutputClosedError({ cause })
    : new OutputFailedError({ cause })

export interface ScreenService {
  /** Standard output: data alone. Waits until it is handed over, so that nothing is lost at the exit. */
  readonly out: (data: string | Uint8Array) => Effect.Effect<void, OutputError>
  /** Standard error: for people, or events for programs. */
  readonly err: (text: string) => Effect.Effect<void>
  /** Whether each is a terminal. */
  readonly terminal: { readonly out: boolean; readonly err: boolean }
  /** Of the terminal, now: it may be resized. */
  readonly size: () => { readonly columns: number; readonly rows: number }
  /** Whether each is coloured. */
  readonly colors: { readonly out: boolean; readonly err: boolean }
  /** Whether lines of standard error can be drawn again. */
  readonly cursor: boolean
}

type Env = { readonly [name: string]: string | undefined }

const isSet = (value: string | undefined): value is string => (value ?? "").trim() !== ""

/**
 * What the environment says of the terminal:
 *
 * - `NO_COLOR` (https://no-color.org) turns colours off. Otherwise `FORCE_COLOR` turns them on, or off with `0` or `false`.
 *   Without either, a terminal is coloured.
 * - `TERM=dumb` is a terminal that knows no escape codes; so is one without `TERM`, except on Windows.
 * - With `CI`, standard error is a log, whatever it is.
 * - Bars need both streams on the terminal: `| jq` writes there too, and a bar would be drawn over it.
 */
export const capabilities = (
  env: Env,
  terminal: ScreenService["terminal"],
  platform: NodeJS.Platform
): Pick<ScreenService, "colors" | "cursor"> => {
  const knowsCodes = env.TERM?.trim() !== "dumb" && (isSet(env.TERM) || platform === "win32")
  const forced = env.FORCE_COLOR === undefined ? null : !/^(0|false)$/i.test(env.FORCE_COLOR.trim())
  const colored = (isTerminal: boolean) => !isSet(env.NO_COLOR) && (forced ?? (isTerminal && knowsCodes))
  const isLog = isSet(env.CI) && !/^(0|false)$/i.test(env.CI.trim())
  return {
    colors: { out: colored(terminal.out), err: colored(terminal.err) },
    cursor: terminal.err && terminal.out && knowsCodes && !isLog
  }
}

export class Screen extends Context.Tag("effect-videos/cli/Screen")<Screen, ScreenService>() {
  /** The process's own. */
  static readonly layer: Layer.Layer<Screen> = Layer.sync(Screen, () => {
    const { env, stderr, stdout } = process
    // Every failed write also says so here, and unheard it would end the process with a trace.
    stdout.on("error", () => {})
    stderr.on("error", () => {})
    const terminal = { out: stdout.isTTY === true, err: stderr.isTTY === true }
    return {
      out: (data) =>
        Effect.async<void, OutputError>((resume) => {
          stdout.write(data, (cause) =>
            resume(cause === undefined || cause === null ? Effect.void : Effect.fail(outputError(cause)))
          )
        }),
      err: (text) => Effect.sync(() => void stderr.write(text)),
      terminal,
      size: () => ({ columns: stderr.columns || stdout.columns || 80, rows: stderr.rows || stdout.rows || 24 }),
      ...capabilities(env, terminal, process.platform)
    }
  })
}

export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const sgr = (enabled: boolean, on: number, off: number) => (text: string) =>
  enabled && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text

export const styleOf = (enabled: boolean): Style => ({
  bold: sgr(enabled, 1, 22),
  dim: sgr(enabled, 2, 22),
  red: sgr(enabled, 31, 39),
  green: sgr(enabled, 32, 39),
  yellow: sgr(enabled, 33, 39),
  cyan: sgr(enabled, 36, 39)
})

/** How to colour what goes to each. */
export const styles = ({ colors }: ScreenService): { readonly out: Style; readonly err: Style } => ({
  out: styleOf(colors.out),
  err: styleOf(colors.err)
})

/**
 * `@effect/cli` writes completions through `Console`, coloured whatever it writes to; `mend` may correct them. Its errors are
 * dropped here: they come back as failures, and are reported in one place.
 */
export const withScreenConsole = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  mend: (text: string) => string
): Effect.Effect<A, E, R | Screen> =>
  Effect.flatMap(Screen, (screen) => {
    const plain = !screen.colors.out
    const log = (...parts: ReadonlyArray<unknown>) => {
      const text = `${mend(parts.join(" "))}\n`
      return Effect.orDie(screen.out(plain ? stripVTControlCharacters(text) : text))
    }
    return Console.consoleWith((console) =>
      Effect.withConsole(self, { ...console, log, error: () => Effect.void } satisfies Console.Console)
    )
  })
