/**
 * The workflows of this package. A program starts them with `DurableVideos`; they are exported for engines that want to list or
 * poll them. The name carries a version: a workflow with other steps gets another name, and the old one stays until no run of it
 * is open.
 *
 * @since 0.1.0
 */
import { Workflow } from "@effect/workflow"
import * as Schema from "effect/Schema"
import { RunOutcome } from "./Runs.js"

const payload = {
  /** The caller's idempotency key. */
  key: Schema.String,
  attempt: Schema.Number
}

const idempotencyKey = ({ attempt, key }: { readonly key: string; readonly attempt: number }) => `${attempt}/${key}`

const workflow = <const Name extends string>(name: Name) =>
  Workflow.make({ name, payload, success: RunOutcome, idempotencyKey }).annotate(Workflow.SuspendOnFailure, true)

/**
 * Creates a clip and stores it. The request itself is in the table of runs (`CreateRequest`): a payload that the engine cannot
 * decode would end the run for good.
 *
 * @since 0.1.0
 * @category workflows
 */
export const CreateVideo = workflow("effect-videos/CreateVideo/v1")

/**
 * Extends a clip and stores the longer one (`ExtendRequest`).
 *
 * @since 0.1.0
 * @category workflows
 */
export const ExtendVideo = workflow("effect-videos/ExtendVideo/v1")

/**
 * Extends a clip to a length (`ExtendToRequest`): each segment is a run of its own.
 *
 * @since 0.1.0
 * @category workflows
 */
export const ExtendTo = workflow("effect-videos/ExtendTo/v1")
