import { resolve } from 'node:path';
import type { Command } from 'commander';
import { act } from '../act.ts';
import { BadConfig, type Flags, readSettings } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { contextName, findContext, readContexts, writeContexts } from './contexts.ts';
import { createOutput } from './output.ts';
import { columns } from './show.ts';

const named = ['api', 'tokenFile', 'user'] as const;

/** `gear context …`: named apis, in a file of this user. */
export function fillContext(context: Command): void {
  const add = context
    .command('add <name>')
    .description('save an api under a name, and use it from now on')
    .action((name: string, flags: Flags) => act(() => addContext(name, flags)));
  for (const option of named) add.addOption(optionFor(option));
  context
    .command('use <name>')
    .description('use the api that has this name from now on')
    .action((name: string) => act(() => useContext(name)));
  context
    .command('ls')
    .description('list them all')
    .option('--json', 'print them as JSON')
    .action((flags: Flags) => act(() => listContexts(flags)));
  context
    .command('remove <name>')
    .description('forget the api that has this name')
    .action((name: string) => act(() => removeContext(name)));
}

async function addContext(name: string, flags: Flags): Promise<number> {
  if (!contextName.safeParse(name).success)
    throw new BadConfig('a context is named with letters, digits, _, . and -');
  const { contexts } = await readContexts();
  // Only flags: the environment variables may be for another api.
  const { tokenFile, ...context } = readSettings(named, flags, {});
  const kept = { ...context, ...(tokenFile !== undefined && { tokenFile: resolve(tokenFile) }) };
  await writeContexts({ current: name, contexts: { ...contexts, [name]: kept } });
  return 0;
}

async function useContext(name: string): Promise<number> {
  await findContext(name);
  await writeContexts({ ...(await readContexts()), current: name });
  return 0;
}

async function removeContext(name: string): Promise<number> {
  await findContext(name);
  const { current, contexts } = await readContexts();
  const { [name]: _, ...others } = contexts;
  await writeContexts({ current: current === name ? null : current, contexts: others });
  return 0;
}

async function listContexts(flags: Flags): Promise<number> {
  const all = await readContexts();
  const rows = Object.entries(all.contexts).map(([name, { api, tokenFile, user }]) => [
    `${name === all.current ? '*' : ' '} ${name}`,
    api,
    tokenFile ?? '-',
    user ?? '-',
  ]);
  await createOutput(flags).print(all, columns(['  NAME', 'API', 'TOKEN FILE', 'USER'], rows));
  return 0;
}
