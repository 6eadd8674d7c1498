/**
 * Who git runs as, in the container that clones and on the host where archives are made. No account
 * has these numbers (systemd.io/UIDS-GIDS: 60578 to 61183 are unused), so that nothing but
 * repositories is anybody's of theirs.
 */
export const gitUser = { uid: 60_990, gid: 60_990 } as const;
