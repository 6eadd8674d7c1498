import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

/** A registry on this host that has nothing yet. */
export async function openRegistry(directory: string): Promise<{ at: string; process: ChildProcess }> {
  const at = `127.0.0.1:${await freePort()}`;
  const storage = `storage:\n  filesystem:\n    rootdirectory: ${directory}/registry\n`;
  await writeFile(`${directory}/registry.yml`, `version: 0.1\n${storage}http:\n  addr: ${at}\n`);
  const process = spawn('docker-registry', ['serve', `${directory}/registry.yml`], { stdio: 'ignore' });
  const answers = () =>
    fetch(`http://${at}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('the registry answers', answers);
  return { at, process };
}
