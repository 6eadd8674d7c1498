import { exec } from '../../lib/exec.ts';

/** Milliseconds that prlimit may take. */
const deadline = 5_000;

/**
 * Has the kernel write no core file of this process nor of those it starts (prlimit(1), core(5)): keys and tokens are
 * in its memory. Returns false where that could not be done.
 */
export async function leaveNoCoreFile(): Promise<boolean> {
  const args = ['--core=0:0', '--pid', String(process.pid)];
  const { status } = await exec('prlimit', args, { deadline }).catch(() => ({ status: null }));
  return status === 0;
}

/** Takes the arguments out of what ps shows; Linux has them in memory of ours, which the title is written over. */
export function hideArguments(title: string): void {
  process.title = title;
}
