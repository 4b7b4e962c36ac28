/**
 * Test layers for programs that use this library: `Videos` by a script, or with jobs in memory that follow the `Clock`.
 * Neither uses HTTP. `@effect-videos/server` is for tests against a server, failures of the wire included.
 *
 * @since 0.1.0
 */
export type { Call, CallOf, Failures, Method } from "./calls.js"
export type { MemoryOptions } from "./memory.js"
export { Poll, type PollOptions, type Script, type Step } from "./poll.js"
export { makeCharacter, makeVideo, type VideoFields } from "./snapshots.js"
export { VideosTest, type VideosTestService } from "./VideosTest.js"
