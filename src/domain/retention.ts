/**
 * The versions of an app that are to go: all but the newest `keep` ones and those that somebody needs.
 *
 * @param versions newest first
 */
export function supersededVersions(versions: readonly string[], keep: number, needed: ReadonlySet<string>): string[] {
  return versions.slice(keep).filter((version) => !needed.has(version));
}
