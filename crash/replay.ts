import { partsOf } from './plan/parts.ts';
import { tellRound } from './report.ts';
import { type Broken, type Campaign, commandFor } from './run.ts';
import { shrink } from './shrink.ts';

/** Plays a broken round alone, on a fresh host each time, with fewer and fewer parts, and says the least that breaks it. */
export async function replay(
  campaign: Campaign,
  { round, violations }: Broken,
  play: (how: Campaign) => Promise<Broken | null>,
): Promise<void> {
  const { say } = campaign;
  const { number } = round;
  const promises = new Set(violations.map(({ promise }) => promise));
  const breaks = async (left: readonly number[]) => {
    const how = { ...campaign, round: number, without: left, isEnough: () => true, say: () => undefined };
    const again = await play(how);
    const broken = again?.violations.some(({ promise }) => promises.has(promise)) ?? false;
    const what = left.length === 0 ? 'whole' : `without ${left.join(', ')}`;
    say(`  ${what}: ${broken ? 'broken' : 'kept'}`);
    return broken;
  };
  say(`round ${number} once more, and without one part after the other; each takes half a minute:`);
  const left = await shrink(partsOf(round).length, breaks);
  if (left === null)
    return say('alone it keeps its promises; what breaks them needs luck, or the rounds before it');
  const least = commandFor({ ...campaign, without: left }, number);
  say([...tellRound(round, left), `the least that breaks it: ${least}`].join('\n'));
}
