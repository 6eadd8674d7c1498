import { exec } from '../../lib/exec.ts';

/** Milliseconds that prlimit may take. */
const deadline = 5_000;

/**
 * Keeps the kernel from writing a core file of this process and of those it starts (prlimit(1),
 * core(5)): keys and tokens are in its memory. Returns false where that could not be done.
 */
export async function leaveNoCoreFile(): Promise<boolean> {
  const args = ['--core=0:0', '--pid', String(process.pid)];
  const { status } = await exec('prlimit', args, { deadline }).catch(() => ({ status: null }));
  return status === 0;
}

/**
 * Removes the arguments from the output of ps: the title overwrites the memory in which Linux looks
 * for them.
 */
export function hideArguments(title: string): void {
  process.title = title;
}
