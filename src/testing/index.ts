/**
 * Test layers for programs that use this library: `Videos` by a script, or with jobs in memory that move by the `Clock`. There
 * is no HTTP in either. To test against a server, failures of the wire included, there is `@effect-videos/server`.
 *
 * @since 0.1.0
 */
export type { Call, CallOf, Failures, Method } from "./calls.js"
export { Look, type LookOptions, type Script, type Step } from "./look.js"
export type { MemoryOptions } from "./memory.js"
export { makeCharacter, makeVideo, type VideoFields } from "./snapshots.js"
export { VideosTest, type VideosTestService } from "./VideosTest.js"
