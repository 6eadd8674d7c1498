/** Whether a token's `a` allows an action; without `a` it allows all. */
export const allows = ({ a }: { a?: string[] | undefined }, action: string): boolean =>
  a === undefined || a.some((pattern) => allowsAction(pattern, action));

/** Whether a pattern of a token's `a`, such as `container.*` or `*.read`, matches an action. */
export function allowsAction(pattern: string, action: string): boolean {
  const [kind, verb] = pattern.split('.');
  const [itsKind, itsVerb] = action.split('.');
  return (kind === '*' || kind === itsKind) && (verb === '*' || verb === itsVerb);
}

/** Whether a token's `r`, a name or a prefix and a star, allows a name; without `r`, any name. */
export function allowsResource(pattern: string | undefined, resource: string): boolean {
  if (pattern === undefined) return true;
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : resource === pattern;
}
