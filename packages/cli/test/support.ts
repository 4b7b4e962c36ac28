/** The command in this process: its command line, the embedded server, and what it wrote where. */
import * as fs from "node:fs"
import { delimiter, join } from "node:path"
import { type InProcessOptions, VideosServer } from "@effect-videos/server"
import { ConfigProvider, Effect, Exit, Fiber, Layer, TestClock } from "effect"
import { fakePlatform, fakePrograms, framesFilm } from "../../../test/support/fakeFfmpeg.js"
import { folder } from "../../../test/support/films.js"
import { isEndedAfter } from "../../../test/support/ownTime.js"
import { inOwnFolder } from "../../server/test/support.js"
import { run } from "../src/app.js"
import { exitCodes, kindOfCause } from "../src/exitCodes.js"
import { Screen } from "../src/screen.js"
import { Session } from "../src/session.js"

export interface ScreenOptions {
  /** Where a watch polls. Default: nowhere. */
  readonly terminal?: { readonly out: boolean; readonly err: boolean }
  readonly columns?: number
  /** Default: 30. */
  readonly rows?: number
  readonly colors?: boolean
  /** Default: where standard error is a terminal. */
  readonly cursor?: boolean
}

export const terminal = { terminal: { out: true, err: true } } as const

export interface Written {
  out: string
  err: string
  /** Where each write went, in turn. */
  readonly order: Array<"out" | "err">
}

export const nothing = (): Written => ({ out: "", err: "", order: [] })

/** A screen that keeps what it is shown. */
export const fakeScreen = (written: Written, options: ScreenOptions = {}) =>
  Layer.succeed(Screen, {
    out: (data) =>
      Effect.sync(() => {
        written.order.push("out")
        written.out += typeof data === "string" ? data : new TextDecoder("latin1").decode(data)
      }),
    err: (text) =>
      Effect.sync(() => {
        written.order.push("err")
        written.err += text
      }),
    terminal: options.terminal ?? { out: false, err: false },
    size: () => ({ columns: options.columns ?? 100, rows: options.rows ?? 30 }),
    colors: {
      out: options.colors === true && options.terminal?.out === true,
      err: options.colors === true && options.terminal?.err === true
    },
    cursor: options.cursor ?? options.terminal?.err === true
  })

export interface Ran extends Written {
  readonly code: number
  /** Standard output's lines, as JSON. */
  readonly records: ReadonlyArray<{ readonly [name: string]: unknown }>
}

const recordsOf = (text: string) =>
  text.startsWith("{")
    ? text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
    : []

/** Writes as it goes on, so that an interrupted run can be read too. */
export const running = (written: Written, args: ReadonlyArray<string>, options?: ScreenOptions) =>
  run(["node", "effect-videos", ...args]).pipe(
    Effect.provide(Layer.mergeAll(fakePlatform, fakeScreen(written, options), Session.layer("effect-videos")))
  )

/** Runs a command line to its end. */
export const cli = (args: ReadonlyArray<string>, options?: ScreenOptions) =>
  Effect.suspend(() => {
    const written = nothing()
    return Effect.map(Effect.exit(running(written, args, options)), (exit): Ran => {
      const kind = Exit.isSuccess(exit) ? "ok" : kindOfCause(exit.cause)
      return { ...written, code: exitCodes[kind], records: recordsOf(written.out) }
    })
  })

/** The embedded server, and an environment that points at it. */
export const serverLayer = (options?: InProcessOptions, env: { readonly [name: string]: string } = {}) => {
  const settings = Layer.unwrapEffect(
    Effect.map(VideosServer, ({ baseUrl }) =>
      Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ OPENAI_BASE_URL: baseUrl, ...env }))))
    )
  )
  return Layer.merge(VideosServer.layerHttpClient, settings).pipe(
    Layer.provideMerge(inOwnFolder(VideosServer.layerInProcess(options)))
  )
}

/** Turns of the event loop after which a command waits for the clock: the server responds by promises and streams. */
const patience = 12

/** Advances the clock when a command waits for it, until `done` or the end of the command. */
export const passTimeUntil = <A, E, E2, R>(done: Effect.Effect<boolean, E, R>, command: Fiber.RuntimeFiber<A, E2>) =>
  Effect.gen(function* () {
    while (!(yield* done) && !(yield* isEndedAfter(command, patience))) yield* TestClock.adjust("250 millis")
  })

/** Runs a command line to its end, in a time that passes by itself. */
export const cliOverTime = (args: ReadonlyArray<string>, options?: ScreenOptions) =>
  Effect.flatMap(Effect.fork(cli(args, options)), (fiber) =>
    Effect.zipRight(passTimeUntil(Effect.succeed(false), fiber), Fiber.join(fiber))
  )

/** What the server was made to do. */
export const jobs = Effect.flatMap(VideosServer, (server) => server.jobs)

/** Puts stand-ins of FFmpeg's programs on the `PATH`, for which a clip of the server lasts four seconds. */
export const withFakePrograms = Effect.gen(function* () {
  const at = yield* folder
  yield* fakePrograms(at, framesFilm(191))
  fs.writeFileSync(join(at, "clip"), framesFilm(96))
  const { PATH = "" } = process.env
  yield* Effect.acquireRelease(
    Effect.sync(() => (process.env.PATH = `${at}${delimiter}${PATH}`)),
    () => Effect.sync(() => (process.env.PATH = PATH))
  )
  return { setResult: (film: Buffer) => fs.writeFileSync(join(at, "result"), film) }
})
