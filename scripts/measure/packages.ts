import { z } from 'zod';

const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dependencies: z.record(z.string(), z.string()).optional(),
      dev: z.boolean().optional(),
      devOptional: z.boolean().optional(),
      optional: z.boolean().optional(),
    }),
  ),
});

/**
 * The packages that a lock file has for production: those that package.json names, and all that come with them.
 * Optional ones, of which a platform installs some, do not count.
 */
export function productionPackages(lockText: string): { direct: number; all: number } {
  const { packages } = lockFile.parse(JSON.parse(lockText));
  const installed = Object.entries(packages).filter(
    ([path, { dev, devOptional, optional }]) => path !== '' && !dev && !devOptional && !optional,
  );
  return { direct: Object.keys(packages['']?.dependencies ?? {}).length, all: installed.length };
}
