/** A queue of lines: first come, first served within a line, and one turn each between the lines. Every step is O(1). */

/** Linked both ways, so that whoever gives up in the middle leaves at once. */
interface Linked<T> {
  previous: T | null
  next: T | null
}

interface List<T> {
  first: T | null
  last: T | null
}

const append = <T extends Linked<T>>(list: List<T>, item: T): void => {
  item.previous = list.last
  item.next = null
  if (list.last === null) list.first = item
  else list.last.next = item
  list.last = item
}

const detach = <T extends Linked<T>>(list: List<T>, item: T): void => {
  if (item.previous === null) list.first = item.next
  else item.previous.next = item.next
  if (item.next === null) list.last = item.previous
  else item.next.previous = item.previous
}

interface Line<A> extends List<Place<A>>, Linked<Line<A>> {
  readonly key: string | null
}

/**
 * Where somebody stands.
 *
 * @internal
 */
export interface Place<A> extends Linked<Place<A>> {
  readonly value: A
  readonly line: Line<A>
}

/** @internal */
export interface FairQueue<A> {
  readonly size: () => number
  /** At the end of the key's line; a key that has none yet has its first turn after everybody who is here. */
  readonly push: (key: string | null, value: A) => Place<A>
  /** The next in turn. */
  readonly shift: () => A | null
  /** For a place that was neither removed nor served. */
  readonly remove: (place: Place<A>) => void
}

/** @internal */
export const makeFairQueue = <A>(): FairQueue<A> => {
  /** In the order of their turns. */
  const round: List<Line<A>> = { first: null, last: null }
  const lines = new Map<string | null, Line<A>>()
  let size = 0

  const leave = (place: Place<A>): void => {
    const { line } = place
    detach(line, place)
    size--
    if (line.first === null) {
      detach(round, line)
      lines.delete(line.key)
    }
  }

  return {
    size: () => size,
    push: (key, value) => {
      let line = lines.get(key)
      if (line === undefined) {
        line = { key, first: null, last: null, previous: null, next: null }
        lines.set(key, line)
        append(round, line)
      }
      const place: Place<A> = { value, line, previous: null, next: null }
      append(line, place)
      size++
      return place
    },
    shift: () => {
      const line = round.first
      const place = line === null ? null : line.first
      if (line === null || place === null) return null
      leave(place)
      if (line.first !== null) {
        detach(round, line)
        append(round, line)
      }
      return place.value
    },
    remove: leave
  }
}
