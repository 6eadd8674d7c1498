/** The environment in which a program sees, by libfaketime, the clock that a file says; its monotonic clock cannot be set. */
export const clockEnvironment = (file: string): Record<string, string> => ({
  LD_PRELOAD: '/usr/$LIB/faketime/libfaketime.so.1',
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_CACHE_DURATION: '1',
  FAKETIME_DISABLE_SHM: '1',
  DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
});

/** What that file says to have the clock so many seconds ahead of ours. */
export const clockText = (seconds: number): string => `${seconds < 0 ? '' : '+'}${seconds}\n`;
