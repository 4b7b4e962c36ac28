/** Rows by the time at which they are due: a binary heap in which each row knows its index, so that it can be moved or removed. */

export interface Row {
  /** In milliseconds, by the clock of the heap's owner. */
  dueAt: number
  /** When the row was set, to keep rows of one moment in order. */
  order: number
  /** Its index in the heap; -1 while it is not in it. */
  index: number
}

const isBefore = (a: Row, b: Row): boolean => a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order)

export class TimerHeap<A extends Row> {
  private readonly rows: Array<A> = []
  private order = 0

  /** When the first row is due; `Infinity` if the heap is empty. */
  get firstAt(): number {
    return this.rows[0]?.dueAt ?? Number.POSITIVE_INFINITY
  }

  /** Adds a row, or moves it. */
  set(row: A, dueAt: number): void {
    this.remove(row)
    row.dueAt = dueAt
    row.order = this.order++
    this.rise(row, this.rows.length)
  }

  remove(row: A): void {
    const { index } = row
    if (index === -1) return
    row.index = -1
    const last = this.rows.pop()
    if (last === undefined || last === row) return
    const parent = this.rows[(index - 1) >> 1]
    if (index > 0 && parent !== undefined && isBefore(last, parent)) this.rise(last, index)
    else this.sink(last, index)
  }

  /** Removes the rows that are due at `now`, and returns them in order. */
  takeDue(now: number): Array<A> {
    const due: Array<A> = []
    for (let first = this.rows[0]; first !== undefined && first.dueAt <= now; first = this.rows[0]) {
      this.remove(first)
      due.push(first)
    }
    return due
  }

  private put(row: A, index: number): void {
    this.rows[index] = row
    row.index = index
  }

  private rise(row: A, from: number): void {
    let index = from
    while (index > 0) {
      const parent = this.rows[(index - 1) >> 1]
      if (parent === undefined || !isBefore(row, parent)) break
      this.put(parent, index)
      index = (index - 1) >> 1
    }
    this.put(row, index)
  }

  private sink(row: A, from: number): void {
    let index = from
    while (true) {
      const left = this.rows[2 * index + 1]
      const right = this.rows[2 * index + 2]
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || !isBefore(child, row)) break
      const at = child.index
      this.put(child, index)
      index = at
    }
    this.put(row, index)
  }
}
