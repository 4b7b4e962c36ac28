/** What waits, by when it is due: a binary heap whose rows know their place, so that one that leaves is taken out at once. */

/** @internal */
export interface Row {
  /** In milliseconds, by the clock of whoever keeps the rows. */
  dueAt: number
  /** Where the row is in the heap; -1 where it waits for nothing. */
  place: number
}

/** @internal */
export class Timers<A extends Row> {
  readonly rows: Array<A> = []

  /** The row that is due first. */
  first(): A | undefined {
    return this.rows[0]
  }

  /** Puts a row in, or moves it. */
  set(row: A, dueAt: number): void {
    row.dueAt = dueAt
    if (row.place < 0) {
      row.place = this.rows.length
      this.rows.push(row)
    }
    this.up(row)
    this.down(row)
  }

  remove(row: A): void {
    const { place } = row
    if (place < 0) return
    row.place = -1
    const last = this.rows.pop()
    if (last === undefined || last === row) return
    last.place = place
    this.rows[place] = last
    this.up(last)
    this.down(last)
  }

  private up(row: A): void {
    const { rows } = this
    while (row.place > 0) {
      const parent = rows[(row.place - 1) >> 1] as A
      if (parent.dueAt <= row.dueAt) return
      this.swap(row, parent)
    }
  }

  private down(row: A): void {
    const { rows } = this
    while (true) {
      const left = rows[2 * row.place + 1]
      if (left === undefined) return
      const right = rows[2 * row.place + 2]
      const child = right !== undefined && right.dueAt < left.dueAt ? right : left
      if (row.dueAt <= child.dueAt) return
      this.swap(row, child)
    }
  }

  private swap(a: A, b: A): void {
    const place = a.place
    a.place = b.place
    b.place = place
    this.rows[a.place] = a
    this.rows[b.place] = b
  }
}
