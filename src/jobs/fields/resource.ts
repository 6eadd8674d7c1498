/** The kinds of resources. Each kind has its own names: a gear and a repository may share one. */
export const kinds = ['gear', 'repository', 'environment'] as const;
export type Kind = (typeof kinds)[number];

/** The target of a line of jobs: a resource, or the host itself, which needs no directory. */
export type LineKind = Kind | 'host';
