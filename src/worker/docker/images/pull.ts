import { createInterface } from 'node:readline';
import type Dockerode from 'dockerode';
import { z } from 'zod';
import { Failure } from '../../../jobs/errors.ts';
import { imageName } from '../../../jobs/fields/image-name.ts';
import { parseJson } from '../../../lib/parse-json.ts';
import type { PullProgress } from '../../engine/engine.ts';
import { asPullFailure } from '../failures.ts';

/** One line of the engine's progress report (Docker API, POST /images/create). */
const pullEvent = z.object({
  id: z.string().exactOptional(),
  status: z.string().exactOptional(),
  error: z.string().exactOptional(),
  progressDetail: z
    .object({ current: z.number().exactOptional(), total: z.number().exactOptional() })
    .exactOptional(),
});
type PullEvent = z.infer<typeof pullEvent>;

/**
 * Timeouts in milliseconds: for the whole pull; for the next line of the engine's report; and for
 * that line while every remaining layer waits for other pulls. The engine itself has no timeout for
 * a registry that sends nothing or little.
 */
const deadlines = { whole: 2 * 60 * 60_000, next: 120_000, queued: 15 * 60_000 };

/** The engine's statuses of a layer that it is working on. */
const working = ['Pulling fs layer', 'Downloading', 'Verifying Checksum', 'Extracting'];

/** Pulls an image; see the interface for its errors. */
export async function pullImage(
  docker: Dockerode,
  reference: string,
  onProgress: (progress: PullProgress) => void,
  signal: AbortSignal,
  limits = deadlines,
): Promise<void> {
  const timer = createTimer(limits);
  let failed: string | undefined;
  try {
    const abortSignal = AbortSignal.any([signal, timer.late]);
    const stream = await docker.pull(imageName(reference), { abortSignal });
    const layers = followLayers(onProgress);
    // Reads on after an error, which is the last line: left early, the reader would throw an error
    // of the stream where nothing catches it.
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      const parsed = pullEvent.safeParse(parseJson(line));
      if (!parsed.success) continue;
      timer.heard(parsed.data);
      failed ||= parsed.data.error;
      layers(parsed.data);
    }
    if (failed) throw new Error(failed);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (failed) throw asPullFailure(reference, new Error(failed)); // However the report ends after it.
    if (timer.late.aborted) throw new Failure('timeout', `${reference}: the registry sends too slowly`);
    throw asPullFailure(reference, error);
  } finally {
    timer.close();
  }
}

/** Aborts `late` when a pull takes too long, as a whole or for its next line. */
function createTimer({ whole, next, queued }: typeof deadlines) {
  const late = new AbortController();
  const abort = () => late.abort();
  const layers = new Map<string, string>();
  const wholeTimer = setTimeout(abort, whole);
  let nextTimer = setTimeout(abort, next);
  return {
    late: late.signal,
    heard({ id, status }: PullEvent) {
      if (id !== undefined && status !== undefined) layers.set(id, status);
      const said = [...layers.values()];
      const isQueued = said.includes('Waiting') && !said.some((one) => working.includes(one));
      clearTimeout(nextTimer);
      nextTimer = setTimeout(abort, isQueued ? queued : next);
    },
    close() {
      clearTimeout(wholeTimer);
      clearTimeout(nextTimer);
    },
  };
}

/** The share of a layer's work at the end of its download, which takes longer than unpacking. */
const downloadShare = 0.7;

/** Adds up the progress of all layers. */
export function followLayers(onProgress: (progress: PullProgress) => void): (event: PullEvent) => void {
  const done = new Map<string, number>();
  let percent = 0;
  return ({ id, status, progressDetail }) => {
    const share = id === undefined ? null : shareDone(status ?? '', progressDetail ?? {});
    if (id === undefined || share === null) return;
    done.set(id, Math.max(done.get(id) ?? 0, share));
    const total = [...done.values()].reduce((sum, part) => sum + part, 0);
    const reached = Math.floor((total / done.size) * 100);
    if (reached <= percent) return;
    percent = reached;
    onProgress({ message: `pulling ${done.size} ${done.size === 1 ? 'layer' : 'layers'}`, percent });
  };
}

/**
 * The share of a layer that is done, 0 to 1; null for anything else. Ignores layers that already
 * exist: Docker reports them first, and all would look done.
 */
function shareDone(status: string, { current, total }: { current?: number; total?: number }): number | null {
  const part = current !== undefined && total ? Math.min(current / total, 1) : 0;
  switch (status) {
    case 'Pulling fs layer':
    case 'Waiting':
      return 0;
    case 'Downloading':
      return part * downloadShare;
    case 'Verifying Checksum':
    case 'Download complete':
      return downloadShare;
    case 'Extracting':
      return downloadShare + part * (1 - downloadShare);
    case 'Pull complete':
      return 1;
    default:
      return null;
  }
}
