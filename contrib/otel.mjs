// Has the spans of geard sent to a collector by OTLP over HTTP. docs/tracing.md says how it is installed.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const resource = resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME ?? 'geard' });
const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())];
new NodeTracerProvider({ resource, spanProcessors }).register();
