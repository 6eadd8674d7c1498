import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  seed: number;
  /** Only this one. */
  round: number | null;
  /** Parts of that round that are left out, by their numbers. */
  without: number[];
  fleet: boolean;
  /** Every kind of fault in its turn, one a round. */
  inTurn: boolean;
  mutants: boolean;
  /** Only this one. */
  mutant: string | null;
  /** Goes on after a broken promise. */
  keepGoing: boolean;
}

export const usage = `usage: npm run crash -- [--rounds N] [--seed S] [--round K [--without P,Q]] [--fleet] [--in-turn] [--keep-going]
       npm run crash -- --mutants | --mutant NAME [--rounds N] [--seed S]
  --rounds N     how many (default 50; of each mutant 300)
  --seed S       what is sent and what goes wrong (default: another one each time)
  --round K      only round K of the seed, on a host brought to where it begins
  --without P,Q  leave out these of its requests and faults, as they are numbered
  --fleet        three hosts with one api and one Redis
  --in-turn      every kind of fault in its turn, one a round
  --keep-going   do not stop at the first broken promise
  --mutants      break geard in known ways; each must be found
  --mutant NAME  only this one`;

const wholeNumber = (text: string | undefined, usual: number): number => {
  if (text === undefined) return usual;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`a whole number is needed, not ${text}`);
  return Number(text);
};

/** Throws where the arguments are wrong. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      seed: { type: 'string' },
      round: { type: 'string' },
      without: { type: 'string' },
      fleet: { type: 'boolean', default: false },
      'in-turn': { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      'keep-going': { type: 'boolean', default: false },
    },
  });
  const mutants = values.mutants || values.mutant !== undefined;
  return {
    rounds: wholeNumber(values.rounds, mutants ? 300 : 50),
    seed: wholeNumber(values.seed, (Date.now() % 999_999) + 1),
    round: values.round === undefined ? null : wholeNumber(values.round, 1),
    without: values.without?.split(',').map((number) => wholeNumber(number, 1)) ?? [],
    fleet: values.fleet,
    inTurn: values['in-turn'],
    mutants,
    mutant: values.mutant ?? null,
    keepGoing: values['keep-going'],
  };
}
