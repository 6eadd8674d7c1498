import { hostUnavailable } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';

/**
 * Polls until there is a result. Throws a transient `host_unavailable` with the detail after the
 * deadline (milliseconds).
 */
export async function waitFor<T>(
  look: () => Promise<T | null>,
  deadline: number,
  detail: string,
  signal?: AbortSignal,
): Promise<T> {
  const until = performance.now() + deadline;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > until) throw hostUnavailable(detail);
    await pause(50, signal);
  }
}
