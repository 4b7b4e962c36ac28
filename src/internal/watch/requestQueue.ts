/** Limits the requests of all watches of a layer together; those that wait are sent in the order in which they came. */
import type * as Fiber from "effect/Fiber"

/** Sends a request; `null` if no watch needs it any more. */
type Start = () => Fiber.RuntimeFiber<unknown, unknown> | null

/** How many pages are read at once, of requests at once: a page takes as much memory as many single jobs. */
const pagesAtOnce = 8

export class RequestQueue {
  inFlight = 0
  private load = 0
  private readonly starts = new Map<Start, number>()
  private isSending = false
  private readonly concurrency: number

  constructor(concurrency: number) {
    this.concurrency = concurrency
  }

  get waiting(): number {
    return this.starts.size
  }

  add(start: Start, isPage: boolean): void {
    this.starts.set(start, isPage ? Math.max(1, this.concurrency / pagesAtOnce) : 1)
  }

  /** Sends what waits, as far as the limit allows. */
  send(): void {
    // A request that ends at once comes back here; the loop sends what follows from it.
    if (this.isSending) return
    this.isSending = true
    for (const [start, weight] of this.starts) {
      if (this.inFlight > 0 && this.load + weight > this.concurrency) break
      this.starts.delete(start)
      const fiber = start()
      if (fiber === null) continue
      this.inFlight++
      this.load += weight
      fiber.addObserver(() => {
        this.inFlight--
        this.load -= weight
        this.send()
      })
    }
    this.isSending = false
  }
}
