/**
 * What waits, by when it is due. Many are due in the same millisecond: they are one slot, a list that is linked through its
 * rows, so that one that comes or leaves costs no memory and no search. A heap holds the slots.
 */
import * as Arr from "effect/Array"

/** Fewer empty slots than this are no burden. */
const most = 1000

/** @internal */
export interface Row<A> {
  /** In whole milliseconds, by the clock of whoever keeps the rows. */
  dueAt: number
  /** Where the row waits; `null` where it waits for nothing. */
  slot: Slot<A> | null
  before: A | null
  after: A | null
}

export interface Slot<A> {
  readonly dueAt: number
  first: A | null
  last: A | null
}

/** @internal */
export class Timers<A extends Row<A>> {
  private readonly slots = new Map<number, Slot<A>>()
  /** A slot that has lost its rows stays until it is the first, or until most are such. */
  private heap: Array<Slot<A>> = []
  private empty = 0

  /** When the first row is due; `Infinity` where there is none. */
  get firstAt(): number {
    return this.first()?.dueAt ?? Number.POSITIVE_INFINITY
  }

  /** How many moments are kept, those that nobody waits for any more among them. */
  get moments(): number {
    return this.heap.length
  }

  /** Takes out the rows that are due first. */
  takeFirst(into: Array<A>): void {
    const slot = this.first()
    if (slot === undefined) return
    for (let row = slot.first; row !== null; ) {
      const { after } = row
      row.slot = row.before = row.after = null
      into.push(row)
      row = after
    }
    slot.first = slot.last = null
    this.empty++
  }

  /** Puts a row in, or moves it. */
  set(row: A, dueAt: number): void {
    if (row.slot !== null && row.dueAt === dueAt) return
    this.remove(row)
    let slot = this.slots.get(dueAt)
    if (slot === undefined) {
      slot = { dueAt, first: null, last: null }
      this.slots.set(dueAt, slot)
      this.push(slot)
    } else if (slot.first === null) this.empty--
    row.dueAt = dueAt
    row.slot = slot
    row.before = slot.last
    if (slot.last === null) slot.first = row
    else slot.last.after = row
    slot.last = row
  }

  remove(row: A): void {
    const { after, before, slot } = row
    if (slot === null) return
    if (before === null) slot.first = after
    else before.after = after
    if (after === null) slot.last = before
    else after.before = before
    row.slot = row.before = row.after = null
    if (slot.first === null && ++this.empty > most && this.empty > this.heap.length / 2) this.sweep()
  }

  private sweep(): void {
    const [empty, kept] = Arr.partition(this.heap, ({ first }) => first !== null)
    for (const { dueAt } of empty) this.slots.delete(dueAt)
    // What is sorted is a heap.
    this.heap = kept.sort((a, b) => a.dueAt - b.dueAt)
    this.empty = 0
  }

  private first(): Slot<A> | undefined {
    while (this.heap[0]?.first === null) this.pop()
    return this.heap[0]
  }

  private push(slot: Slot<A>): void {
    const { heap } = this
    let at = heap.push(slot) - 1
    for (; at > 0; ) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Slot<A>
      if (above.dueAt <= slot.dueAt) break
      heap[at] = above
      at = parent
    }
    heap[at] = slot
  }

  private pop(): void {
    const { heap } = this
    const [top] = heap
    const last = heap.pop()
    if (top === undefined || last === undefined) return
    this.slots.delete(top.dueAt)
    this.empty--
    if (top === last) return
    let at = 0
    while (true) {
      let child = 2 * at + 1
      let below = heap[child]
      const right = heap[child + 1]
      if (below !== undefined && right !== undefined && right.dueAt < below.dueAt) below = heap[++child]
      if (below === undefined || last.dueAt <= below.dueAt) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}
