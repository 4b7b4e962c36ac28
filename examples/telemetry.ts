import { VideosServer } from "@effect-videos/server"
import { Console, Effect, Exit, Layer, Metric, MetricState, Schedule, Tracer } from "effect"
import { awaitVideo, createVideo, retrieveVideo } from "effect-videos"

// Prints spans to the console when they end. Instead, `NodeSdk.layer` of `@effect/opentelemetry` exports the same spans and
// the metrics to any OpenTelemetry backend.
const consoleTracer = Layer.unwrapEffect(
  Effect.map(Effect.tracer, (native) =>
    Layer.setTracer(
      Tracer.make({
        context: native.context,
        span: (...options) => {
          const span = native.span(...options)
          const end = span.end.bind(span)
          span.end = (endTime, exit) => {
            end(endTime, exit)
            const under =
              span.parent._tag === "Some" && span.parent.value._tag === "Span" ? span.parent.value.name : "-"
            const model = span.attributes.get("gen_ai.request.model") ?? ""
            console.log(`span ${span.name} < ${under} ${Exit.isSuccess(exit) ? "ok" : "failed"} ${model}`.trimEnd())
          }
          return span
        }
      })
    )
  )
)

const program = Effect.gen(function* () {
  const job = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, model: "sora-2" })
  yield* awaitVideo(job, { poll: Schedule.spaced("100 millis") })
  yield* Effect.ignore(retrieveVideo("video_0"))
}).pipe(Effect.withSpan("clip"))

const metrics = Effect.flatMap(Metric.snapshot, (all) =>
  Effect.forEach(all, ({ metricKey: { name }, metricState }) =>
    MetricState.isCounterState(metricState) && name.startsWith("effect_videos_")
      ? Console.log("metric", name, metricState.count)
      : Effect.void
  )
)

const server = VideosServer.layerTest({ queueTime: 0, runTime: "200 millis" })

Effect.runPromise(Effect.zipRight(program, metrics).pipe(Effect.provide(Layer.merge(server, consoleTracer))))
