/** Whether a token's `a` allows an action; without `a` it allows all. */
export const allows = ({ a }: { a?: string[] | undefined }, action: string): boolean =>
  a === undefined || a.some((pattern) => allowsAction(pattern, action));

/** Whether a pattern of a token's `a`, such as `container.*` or `*.read`, matches an action. */
export function allowsAction(pattern: string, action: string): boolean {
  const [room, deed] = pattern.split('.');
  const [itsRoom, itsDeed] = action.split('.');
  return (room === '*' || room === itsRoom) && (deed === '*' || deed === itsDeed);
}

/** Whether a token's `r`, a name or a prefix and a star, matches a name. */
export function allowsResource(pattern: string, resource: string): boolean {
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : resource === pattern;
}
