import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join('node_modules/.cache', 'prometheus/usr/bin/promtool');

/** What Prometheus' own tool makes of a file or of what it reads; see scripts/lib/prepare.sh. */
export async function promtool(args: string[], input = ''): Promise<{ status: number | null; said: string }> {
  const child = spawn(program, args);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  child.stdin.end(input);
  const [status] = await once(child, 'close');
  return { status, said };
}
