import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { shareCalls } from '../async/share-calls.ts';
import { type Metric, metrics } from './metric.ts';

const plain = 'text/plain; version=0.0.4; charset=utf-8';
const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** Runs one measurement at a time, for any number of scrapes. */
const measureAll = shareCalls(() => Promise.all([...metrics.values()].map((metric) => metric.measure())), 0);

/** Answers a request with all metrics of this process, in the format that its Accept prefers. */
export async function sendMetrics(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const open = prefersOpenMetrics(req.headers.accept ?? '');
  await measureAll();
  const paragraphs = [...metrics.values()].map((metric) => paragraph(metric, open)).join('');
  const text = Buffer.from(`${paragraphs}${open ? '# EOF\n' : ''}`);
  res.writeHead(200, { 'Content-Type': open ? openMetrics : plain, 'Content-Length': text.length });
  res.end(text);
}

/** Creates a server for `GET /metrics` only, for a process that has no other server. */
export function createMetricsServer(): Server {
  return createServer((req, res) => {
    if (req.method === 'GET' && req.url === '/metrics') sendMetrics(req, res).catch(() => res.destroy());
    else res.writeHead(404).end();
  });
}

/** Formats a metric; empty if it has no values. */
function paragraph(metric: Metric, open: boolean): string {
  const { name, type, help } = metric;
  let lines = '';
  for (const [suffix, labels, value] of metric.samples())
    lines += `${name}${suffix}${labels === '' ? '' : `{${labels}}`} ${value}\n`;
  // OpenMetrics names a counter without the suffix of its samples.
  const family = open && type === 'counter' ? name.replace(/_total$/, '') : name;
  return lines && `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${lines}`;
}

function prefersOpenMetrics(accept: string): boolean {
  const quality = (type: string) => {
    const range = accept.split(',').find((one) => one.trim().startsWith(type));
    return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1);
  };
  const wanted = quality('application/openmetrics-text');
  return wanted > 0 && wanted >= quality('text/plain');
}
