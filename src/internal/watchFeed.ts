/** Between the hub and one consumer, which is never waited for: what it has not taken yet, and who is told when there is more. */
import * as Effect from "effect/Effect"
import type { Watch } from "./watch.js"

/** Lets one fiber wait for another's word. A word that nobody waits for is kept. */
export class Signal {
  private isGiven = false
  private waiter: ((effect: Effect.Effect<void>) => void) | null = null

  give(): void {
    const { waiter } = this
    this.isGiven = waiter === null
    this.waiter = null
    waiter?.(Effect.void)
  }

  readonly await: Effect.Effect<void> = Effect.async<void>((resume) => {
    if (this.isGiven) {
      this.isGiven = false
      return resume(Effect.void)
    }
    this.waiter = resume
    return Effect.sync(() => {
      if (this.waiter === resume) this.waiter = null
    })
  })
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
