/** Tracer that records everything that a real one would export. */
import { Cause, type Context, Exit, type Option, Tracer } from "effect"

export interface Recording {
  readonly tracer: Tracer.Tracer
  /** Names, attributes, events and failures of all spans, as text. */
  readonly said: () => ReadonlyArray<string>
  readonly names: () => ReadonlyArray<string>
  /** Whether all spans have ended. */
  readonly ended: () => boolean
}

class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly sampled = true
  readonly traceId = "0".repeat(32)
  readonly spanId = "0".repeat(16)
  readonly attributes = new Map<string, unknown>()
  readonly events: Array<unknown> = []
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  readonly kind: Tracer.SpanKind
  status: Tracer.SpanStatus

  constructor(
    name: string,
    parent: Option.Option<Tracer.AnySpan>,
    context: Context.Context<never>,
    links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    kind: Tracer.SpanKind
  ) {
    this.name = name
    this.parent = parent
    this.context = context
    this.links = links
    this.kind = kind
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
  }
  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }
  event(name: string, startTime: bigint, attributes?: Record<string, unknown>): void {
    this.events.push([name, String(startTime), attributes])
  }
  addLinks(): void {}

  said(): ReadonlyArray<string> {
    const failure =
      this.status._tag === "Ended" && Exit.isFailure(this.status.exit)
        ? [Cause.pretty(this.status.exit.cause, { renderErrorCause: true })]
        : []
    return [this.name, JSON.stringify([...this.attributes]), JSON.stringify(this.events), ...failure]
  }
}

export const recordSpans = (): Recording => {
  const spans: Array<RecordedSpan> = []
  return {
    tracer: Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const span = new RecordedSpan(name, parent, context, links, startTime, kind)
        spans.push(span)
        return span
      },
      context: (run) => run()
    }),
    said: () => spans.flatMap((span) => span.said()),
    names: () => spans.map(({ name }) => name),
    ended: () => spans.every(({ status }) => status._tag === "Ended")
  }
}
