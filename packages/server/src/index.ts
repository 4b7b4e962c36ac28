/**
 * An embedded server that speaks the Videos protocol, for programs that want to run, and tests that want to pass, with no
 * key, no GPU and no network.
 *
 * @since 0.1.0
 */
export * as Fault from "./Fault.js"
export type { FaultsService } from "./faults/rules.js"
export type { JobOptions, JobRequest } from "./Jobs.js"
export type { Operation } from "./operations.js"
export { type InProcessOptions, type ServerOptions, VideosServer, type VideosServerService } from "./VideosServer.js"
export { DeliveryError, deliverySchedule, type WebhookOptions } from "./webhooks.js"
