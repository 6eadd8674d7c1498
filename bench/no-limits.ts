/** Options of an api of which one user may have all there is: what is measured is not its limits. */
export const noLimits = [
  ...['--max-jobs', '--max-jobs-per-gear', '--max-queue-megabytes'],
  ...['--user-requests', '--user-jobs', '--user-queue-megabytes'],
].flatMap((flag) => [flag, '100000']);
