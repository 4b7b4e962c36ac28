/** Who watches a job. Most jobs have one watcher, and a `Set` of one costs more memory than the job itself. */

/** @internal */
export class Audience<A> {
  private only: A | null = null
  /** From the second watcher on; it stays, should they leave again. */
  private many: Set<A> | null = null

  get size(): number {
    return this.many === null ? (this.only === null ? 0 : 1) : this.many.size
  }

  /** Who came first of those who are here. */
  get first(): A | null {
    return this.many === null ? this.only : (this.many.values().next().value ?? null)
  }

  add(watcher: A): void {
    if (this.many !== null) this.many.add(watcher)
    else if (this.only === null) this.only = watcher
    else {
      this.many = new Set([this.only, watcher])
      this.only = null
    }
  }

  /** Whether it was here. */
  delete(watcher: A): boolean {
    if (this.many !== null) return this.many.delete(watcher)
    if (this.only !== watcher) return false
    this.only = null
    return true
  }

  /** In the order in which they came; one may leave while they are told. */
  each(tell: (watcher: A) => void): void {
    if (this.many !== null) for (const watcher of this.many) tell(watcher)
    else if (this.only !== null) tell(this.only)
  }
}
