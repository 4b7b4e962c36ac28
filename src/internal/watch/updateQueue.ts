/** Between the hub and one consumer, which is never waited for: what it has not taken yet, and who is told when there is more. */
import * as Effect from "effect/Effect"
import type { Watch } from "./watch.js"

/**
 * Lets one fiber wait for another's word. A word that nobody waits for is kept. Whoever was interrupted while it waited may
 * have missed one: it looks at what there is before it waits again, and so does everybody here.
 */
export class Signal {
  private isGiven = false
  private waiter: ((effect: Effect.Effect<void>) => void) | null = null

  give(): void {
    const { waiter } = this
    this.isGiven = waiter === null
    this.waiter = null
    waiter?.(Effect.void)
  }

  /** With no finalizer, which would cost every watch half a kilobyte for as long as it waits. */
  wait(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (this.isGiven) {
        this.isGiven = false
        resume(Effect.void)
      } else this.waiter = resume
    })
  }
}

/** @internal */
export class Feed {
  readonly signal = new Signal()
  /** Watches with something to take, in the order in which they got it. */
  private ready: Array<Watch> = []

  notify(watch: Watch): void {
    if (watch.isReady) return
    watch.isReady = true
    this.ready.push(watch)
    this.signal.give()
  }

  /** Everything that is ready. */
  take(): ReadonlyArray<Watch> {
    const { ready } = this
    if (ready.length > 0) this.ready = []
    for (const watch of ready) watch.isReady = false
    return ready
  }
}
