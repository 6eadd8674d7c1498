import { openDaemon } from '../test/support/daemon.ts';
import { dockerRun, removeContainers } from './by-hand.ts';
import { installed, milliseconds } from './install.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 5;
const many = Array.from({ length: 20 }, (_, i) => i);

/** 20 installs at once, each until it listens, beside 20 `docker run -d` at once, each until it returns. */
export async function benchInstallMany(): Promise<Row[]> {
  const daemon = await openDaemon();
  const [us, them]: [number[], number[]] = [[], []];
  try {
    for (let i = -1; i < rounds; i++) {
      const ours = await milliseconds(() => Promise.all(many.map((n) => installed(daemon, `many-${n}`))));
      await Promise.all(many.map((n) => daemon.change('DELETE', 'container', { r: `many-${n}` })));
      const theirs = await milliseconds(() =>
        Promise.all(many.map((n) => dockerRun(`many-docker-${n}`, 9_100 + n))),
      );
      await removeContainers(...many.map((n) => `many-docker-${n}`));
      if (i < 0) continue; // The first round only warms up.
      us.push(ours);
      them.push(theirs);
    }
  } finally {
    await daemon.close();
  }
  const ms = (values: number[]) => `${Math.round(median(values))} ms`;
  const row = {
    what: '20 installs at once, beside 20 `docker run -d` at once',
    ours: ms(us),
    theirs: ms(them),
  };
  return [{ ...row, ...ratios(us, them), reach: { atMost: 1.3 } }];
}
