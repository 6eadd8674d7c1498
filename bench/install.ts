import { type Daemon, openDaemon } from '../test/support/daemon.ts';
import { dockerRunAndSee, removeByHand, removeContainers, unitByHand } from './by-hand.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 11;

export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export async function installed(daemon: Daemon, r: string): Promise<void> {
  const { status, body } = await daemon.change(
    'PUT',
    'container',
    { r, t: 'geard/sample' },
    { ports: [{ internal: 8080 }] },
  );
  if (status !== 200) throw new Error(`the installation of ${r} failed: ${body.detail}`);
}

/** One install, from PUT to succeeded with the image present, beside the same by hand; all end when it listens. */
export async function benchInstall(): Promise<Row[]> {
  const daemon = await openDaemon();
  const [us, docker, unit]: [number[], number[], number[]] = [[], [], []];
  try {
    for (let i = -1; i < rounds; i++) {
      const took = [
        await milliseconds(() => installed(daemon, 'bench')),
        await milliseconds(() => dockerRunAndSee('bench-docker', 9_001)),
        await milliseconds(() => unitByHand('bench-hand', 9_002)),
      ] as const;
      await daemon.change('DELETE', 'container', { r: 'bench' });
      await removeContainers('bench-docker');
      await removeByHand('bench-hand');
      if (i < 0) continue; // The first round only warms up.
      us.push(took[0]);
      docker.push(took[1]);
      unit.push(took[2]);
    }
  } finally {
    await daemon.close();
  }
  const ms = (values: number[]) => `${Math.round(median(values))} ms`;
  return [
    { what: 'one install, beside `docker run -d`', ours: ms(us), theirs: ms(docker), ...ratios(us, docker) },
    {
      what: 'one install, beside the same unit by hand and `systemctl start`',
      ours: ms(us),
      theirs: ms(unit),
      ...ratios(us, unit),
      reach: { atMost: 1.5 },
    },
  ];
}
