import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Failure, hostUnavailable } from '../../../jobs/errors.ts';
import { ownRegistry } from '../../../jobs/fields/image-name.ts';
import { createLocks } from '../../../lib/async/locks.ts';
import { timeoutSignal } from '../../../lib/async/timeout-signal.ts';
import { effect } from '../../../lib/effect.ts';
import { openProgram } from '../../../lib/exec.ts';
import { withoutDirectories } from '../../engine/failures.ts';
import type { HostServices } from '../../host-services.ts';
import { ensureImage } from '../../image/ensure-image.ts';
import type { JobContext } from '../../jobs/context.ts';

/** The image that this host builds for itself. */
const builtImage = `${ownRegistry}/githost`;
const script = fileURLToPath(new URL('../../../../contrib/githost/image', import.meta.url));

/** Timeout for a build, in milliseconds; half a second is usual. */
const buildDeadline = 60_000;
/** Exit status of the script when a program is missing. */
const programMissing = 3;

/**
 * One of these files changes whenever the contents of the image do: an update of any library writes
 * ld.so.cache.
 */
const sources = [
  '/usr/local/bin/git',
  '/usr/bin/git',
  '/etc/ld.so.cache',
  '/etc/ssl/certs/ca-certificates.crt',
];

const builds = createLocks();

/**
 * Ensures that the image that contains git exists, and returns its name. Builds it when none is
 * configured.
 */
export async function ensureGitImage(context: JobContext): Promise<string> {
  const { services, signal } = context;
  const { image } = services.repositories;
  if (image !== null) {
    await ensureImage(image, context);
    return image;
  }
  if (await isUpToDate(services)) return builtImage;
  await builds.hold(builtImage, async () => {
    signal.throwIfAborted();
    if (!(await isUpToDate(services))) await effect('image.build', () => build(context));
  });
  return builtImage;
}

async function isUpToDate({ engine }: HostServices): Promise<boolean> {
  return (await engine.image(builtImage))?.madeFrom === (await sourcesDigest());
}

/** Changes with the script and with the host's git, libraries and certificates. */
async function sourcesDigest(): Promise<string> {
  const states = sources.map(async (path) => {
    const found = await stat(path).catch(() => null); // Not every host has all of them.
    return `${path} ${found?.size} ${found?.mtimeMs}`;
  });
  const all = [await readFile(script, 'utf8'), ...(await Promise.all(states))].join('\n');
  return hash('sha256', all).slice(0, 32);
}

async function build({ services, signal, report }: JobContext): Promise<void> {
  report({ step: 'image', message: "building the git image from this host's git" });
  const program = openProgram(script, [builtImage, await sourcesDigest()], {
    env: services.engine.clientEnv,
  });
  const end = timeoutSignal(buildDeadline, signal);
  end.addEventListener('abort', () => void program.kill());
  program.stdout.resume();
  const { status, stderr } = await program.ended;
  signal.throwIfAborted();
  if (status === 0) return;
  const said = withoutDirectories(stderr.trim().slice(-300));
  const why = end.aborted ? `it took longer than ${buildDeadline / 1000} s` : said;
  const detail = `the git image could not be built on this host: ${why}`;
  if (status === programMissing) throw new Failure('clone_failed', detail);
  throw hostUnavailable(detail);
}
