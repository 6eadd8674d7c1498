/**
 * The user that git runs as, in the container that clones and on the host that makes archives. No
 * account has these numbers (systemd.io/UIDS-GIDS: 60578 to 61183 are unused), so nothing but
 * repositories belongs to this user.
 */
export const gitUser = { uid: 60_990, gid: 60_990 } as const;
