import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Violation } from './check/violation.ts';
import { openLedger } from './ledger.ts';
import { type Edit, mutants } from './mutants.ts';
import type { Bias } from './plan/round.ts';
import { type Campaign, runCampaign } from './run.ts';

const project = process.cwd();
/** In the checkout, for a host sees that, and there the program finds its packages. */
const place = join(project, 'node_modules/.cache/geard-crash');

export type MutantCampaign = Pick<Campaign, 'seed' | 'rounds' | 'logs' | 'say' | 'signal'> & {
  directory: string;
};

/** Plays every mutant until it is found; each then again without its fault. Returns how many were not as they should be. */
export async function tryMutants(campaign: MutantCampaign, wanted: string | null): Promise<number> {
  const { say, rounds } = campaign;
  const chosen = mutants.filter(({ name }) => wanted === null || name === wanted);
  if (chosen.length === 0)
    throw new Error(`there is no mutant ${wanted}; there are ${mutants.map(({ name }) => name).join(', ')}`);
  const lines: string[] = [];
  let wrong = 0;
  for (const mutant of chosen) {
    say(`mutant ${mutant.name}: ${mutant.what}`);
    const { bias, expect, sooner = [] } = mutant;
    const red = await firstRed(campaign, await makeMutant(mutant.name, [...mutant.edits, ...sooner]), {
      bias,
      rounds,
      expect,
    });
    if (red === null) {
      wrong++;
      lines.push(`${mutant.name}: NOT FOUND in ${rounds} rounds`);
      continue;
    }
    say(`the same without it`);
    const control = await makeMutant(`${mutant.name} mended`, sooner);
    const also = await firstRed(campaign, control, { bias, rounds: red, expect: /./ });
    if (also !== null) wrong++;
    lines.push(
      `${mutant.name}: found in round ${red}; without it ${also === null ? 'green' : `RED in round ${also}`}`,
    );
  }
  say(lines.join('\n'));
  return wrong;
}

interface Try {
  bias: Bias;
  rounds: number;
  /** What must be told of a broken promise, to be counted. */
  expect: RegExp;
}

/** The number of the first round in which a promise is broken as expected; null: none is. */
async function firstRed(
  campaign: MutantCampaign,
  gear: string,
  { bias, rounds, expect }: Try,
): Promise<number | null> {
  const ledger = openLedger();
  let found = false;
  const isEnough = (violations: readonly Violation[]) => {
    found ||= violations.some(({ promise, what }) => expect.test(`${promise}: ${what}`));
    return found;
  };
  const whole = { round: null, without: [], fleet: false, inTurn: false };
  await runCampaign(campaign.directory, gear, { ...campaign, ...whole, bias, rounds, isEnough }, ledger);
  return found ? ledger.rounds : null;
}

/** A copy of the program with some edits; returns its executable. */
async function makeMutant(name: string, edits: readonly Edit[]): Promise<string> {
  const copy = join(place, name.replaceAll(' ', '-'));
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy, { recursive: true });
  for (const part of ['dist', 'bin']) await cp(join(project, part), join(copy, part), { recursive: true });
  for (const part of ['package.json', 'contrib']) await symlink(join(project, part), join(copy, part));
  for (const edit of edits) {
    const path = join(copy, 'dist', edit.file);
    await writeFile(path, applyEdit(edit, await readFile(path, 'utf8')));
  }
  return join(copy, 'bin/gear');
}

/** The text with an edit. Throws where it does not apply exactly once. */
export function applyEdit({ file, find, replace }: Edit, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`dist/${file} has ${parts.length - 1} times, not once: ${find}`);
  return parts.join(replace);
}
