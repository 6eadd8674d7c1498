/**
 * What a resource name may stand for. Each kind has its names to itself: a gear and a repository
 * may share one.
 */
export const kinds = ['gear', 'repository', 'environment'] as const;
export type Kind = (typeof kinds)[number];

/**
 * What jobs may wait in line for: a resource, or the host itself, which no directory needs to find.
 */
export type LineKind = Kind | 'host';
